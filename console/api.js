// Requests to the agent, and what they say about the connection to it.

const BASE = "api/";
const TIMEOUT_MS = 15_000;
const CSRF_HEADER = "X-Curbwatch-Csrf";

/** An answer that says no: `status`, a sentence for a person, and where the mistake is, if the agent knows. */
export class ApiError extends Error {
  constructor(status, message, { at = null, body = null, retryAfterSecs = null } = {}) {
    super(message);
    this.status = status;
    this.at = at;
    this.body = body;
    this.retryAfterSecs = retryAfterSecs;
  }
}

/** No answer at all. */
export class ConnectionError extends Error {}

/** Tells "lost", "back" and "signed-out" as they happen. */
export const connection = new EventTarget();

let isLost = false;
let csrf = null;
let clockOffsetMs = 0;

/** GET, as JSON. */
export async function get(path) {
  return (await request(path)).json();
}

/** POST, JSON both ways. */
export async function post(path, body) {
  return (await request(path, { method: "POST", body: JSON.stringify(body) })).json();
}

/** GET of a picture or clip: its bytes and when it was taken, in milliseconds since the epoch. */
export async function getPicture(path) {
  const response = await request(path);
  const takenAt = Date.parse(response.headers.get("X-Taken-At") ?? "");
  return { blob: await response.blob(), takenAt: Number.isNaN(takenAt) ? null : takenAt };
}

/** Who is signed in. */
export async function session() {
  return remember(await get("session"));
}

/** Signs in with the token of the configuration. */
export async function signIn(token) {
  return remember(await post("session", { token }));
}

/** Ends the session. */
export async function signOut() {
  await request("session", { method: "DELETE" });
  csrf = null;
}

/** The agent's present time in milliseconds, whatever this device's clock says. */
export function agentNow() {
  return Date.now() + clockOffsetMs;
}

/** Takes the agent's time from an answer that has just come. */
export function noteAgentTime(text) {
  const now = Date.parse(text);
  if (!Number.isNaN(now)) clockOffsetMs = now - Date.now();
}

/** Makes a request; one that bears the word of an agent that was started again since is made once more with the new one. */
async function request(path, options = {}) {
  try {
    return await requestOnce(path, options);
  } catch (error) {
    if (error.status !== 403 || error.at !== CSRF_HEADER.toLowerCase()) throw error;
    await session();
    return requestOnce(path, options);
  }
}

async function requestOnce(path, { method = "GET", body } = {}) {
  const headers = { Accept: "application/json, image/*, video/*" };
  if (method !== "GET") {
    headers["Content-Type"] = "application/json";
    if (csrf) headers[CSRF_HEADER] = csrf;
  }
  let response;
  try {
    response = await fetch(BASE + path, {
      method, headers, body, credentials: "same-origin", cache: "no-store", signal: AbortSignal.timeout(TIMEOUT_MS),
    });
  } catch (error) {
    tell(true);
    throw new ConnectionError(error.message, { cause: error });
  }
  tell(false);
  if (!response.ok) await refuse(response, path);
  return response;
}

async function refuse(response, path) {
  const body = await response.json().catch(() => null);
  if (response.status === 401 && path !== "session") connection.dispatchEvent(new Event("signed-out"));
  const seconds = Number.parseInt(response.headers.get("Retry-After") ?? "", 10);
  throw new ApiError(response.status, body?.error ?? `${response.status} ${response.statusText}`, {
    at: body?.at ?? null, body, retryAfterSecs: Number.isNaN(seconds) ? null : seconds,
  });
}

function tell(lost) {
  if (lost === isLost) return;
  isLost = lost;
  connection.dispatchEvent(new Event(lost ? "lost" : "back"));
}

function remember(session) {
  csrf = session.csrf;
  return session;
}
