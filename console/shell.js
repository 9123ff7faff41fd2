// What is around every view: navigation, connection, alarms, language. It asks for the overview and hands it to the view.

import { ConnectionError, connection, get, noteAgentTime, signOut } from "./api.js";
import { makeCameraView } from "./camera-view.js";
import { makeCamerasView } from "./cameras-view.js";
import { announce, fill, h } from "./dom.js";
import { setTimeZone, t, timeOf } from "./i18n.js";
import { makeIncidentsView } from "./incidents-view.js";
import { poll } from "./poll.js";
import { makeSystemView } from "./system-view.js";
import { makeZoneEditor } from "./zone-editor.js";

const OVERVIEW_EVERY_MS = 3_000;

/** Views by the first part of the address behind the #, which decides by the rest. */
const ROUTES = {
  cameras: (parts) => {
    if (!parts[1]) return makeCamerasView();
    return parts[2] === "zones" ? makeZoneEditor(parts[1]) : makeCameraView(parts[1]);
  },
  incidents: (_, query) => makeIncidentsView(query),
  system: () => makeSystemView(),
};

/** The page of who is signed in. */
export function makeShell(who, { signedOut, language }) {
  const links = Object.keys(ROUTES).map((name) =>
    h("a", { href: `#/${name}`, class: `nav-link nav-${name}` }, h("span", { class: "nav-text" }, t(`nav.${name}`))));
  const agent = h("p", { class: "agent-name" });
  const lost = h("div", { class: "banner is-bad", role: "alert", hidden: true });
  const alarms = h("a", { class: "banner is-warn", href: "#/system", hidden: true });
  const main = h("main", { id: "main", tabIndex: -1 });
  const leave = who.needs_token
    ? h("button", { class: "quiet", type: "button", onclick: () => signOut().then(signedOut, () => {}) }, t("sign_in.leave"))
    : null;
  const element = h("div", { class: "shell" },
    h("a", { class: "skip", href: "#main", onclick: skip }, t("nav.skip")),
    h("header", { class: "top" },
      h("div", { class: "brand-block" }, h("span", { class: "brand" }, "Curbwatch"), agent),
      h("nav", { "aria-label": t("nav.label") }, links),
      h("div", { class: "top-actions" }, leave,
        h("button", { class: "quiet", type: "button", lang: t("language.other_tag"), onclick: language }, t("language.other")))),
    lost, alarms, main);

  let view = null;
  let overview = null;

  function skip(event) {
    event.preventDefault();
    main.focus();
  }

  function route(event) {
    const [path, query] = location.hash.replace(/^#\/?/, "").split("?");
    const parts = path.split("/").map(decodeURIComponent);
    const name = parts[0] in ROUTES ? parts[0] : "cameras";
    view?.close();
    view = ROUTES[name](parts, new URLSearchParams(query));
    main.replaceChildren(view.element);
    links.forEach((link) => {
      if (link.getAttribute("href") === `#/${name}`) link.setAttribute("aria-current", "page");
      else link.removeAttribute("aria-current");
    });
    document.title = `${view.title} – Curbwatch`;
    if (overview) view.update?.(overview);
    if (event) {
      scrollTo(0, 0);
      main.focus({ preventScroll: true });
      announce(view.title);
    }
  }

  async function ask() {
    try {
      overview = await get("overview");
    } catch (error) {
      // The banner tells a lost connection; signing out has its own page.
      if (!(error instanceof ConnectionError) && error.status !== 401) announce(error.message);
      return;
    }
    noteAgentTime(overview.now);
    setTimeZone(overview.agent.time_zone);
    fill(agent, `${overview.agent.site} / ${overview.agent.id}`);
    alarms.hidden = overview.alarms.length === 0;
    fill(alarms, alarmWords(overview.alarms));
    view?.update?.(overview);
  }

  const loop = poll(ask, OVERVIEW_EVERY_MS);
  const onLost = () => {
    lost.replaceChildren(h("p", {}, t("connection.lost", { time: timeOf(Date.now()) })),
      h("button", { type: "button", onclick: () => loop.now() }, t("connection.retry")));
    lost.hidden = false;
  };
  const onBack = () => {
    lost.hidden = true;
    announce(t("connection.back"));
  };

  return {
    element,
    begin() {
      addEventListener("hashchange", route);
      connection.addEventListener("lost", onLost);
      connection.addEventListener("back", onBack);
      route();
    },
    close() {
      removeEventListener("hashchange", route);
      connection.removeEventListener("lost", onLost);
      connection.removeEventListener("back", onBack);
      loop.stop();
      view?.close();
    },
  };
}

function alarmWords(alarms) {
  return alarms.length === 1 ? alarms[0] : t("alarms.more", { first: alarms[0] ?? "", n: alarms.length - 1 });
}
