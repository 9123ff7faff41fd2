// The page's beginning: language, then signing in if need be, then the shell with its views.

import { connection, session } from "./api.js";
import { h } from "./dom.js";
import { chooseLanguage, currentLanguage, loadLanguage } from "./i18n.js";
import { reasonOf } from "./parts.js";
import { makeShell } from "./shell.js";
import { makeSignIn } from "./sign-in.js";

const TRY_AGAIN_MS = 3_000;
const app = document.getElementById("app");
let shown = null;

function show(next) {
  shown?.close();
  shown = next;
  app.replaceChildren(next.element);
  next.begin?.();
}

/** Asks who is signed in, until there is an answer. */
async function begin() {
  try {
    const who = await session();
    if (who.signed_in) show(makeShell(who, { signedOut: begin, language: switchLanguage }));
    else show(makeSignIn(who, { signedIn: begin, language: switchLanguage }));
  } catch (error) {
    show({ element: h("main", { class: "alone" }, h("h1", {}, "Curbwatch"), h("p", { role: "alert" }, reasonOf(error))), close() {} });
    setTimeout(begin, TRY_AGAIN_MS);
  }
}

/** Everything is written anew in the other language. */
async function switchLanguage() {
  await chooseLanguage(currentLanguage() === "zh" ? "en" : "zh");
  await begin();
}

connection.addEventListener("signed-out", () => begin());
await loadLanguage();
await begin();
