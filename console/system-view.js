// How the agent itself is: hub, model, alarms, the last hour's measurements, the audit log.

import { agentNow, ApiError, get } from "./api.js";
import { makeAuditLog } from "./audit-log.js";
import { makeChart } from "./chart.js";
import { fill, h } from "./dom.js";
import { duration, momentOf, number, t, word } from "./i18n.js";
import { chip, fact } from "./parts.js";
import { poll } from "./poll.js";

const EVERY_MS = 10_000;

/** The view. */
export function makeSystemView() {
  const title = t("nav.system");
  const facts = h("dl", { class: "facts wide" });
  const alarms = h("ul", { class: "alarms" });
  const charts = h("div", { class: "charts" });
  const note = h("p", { class: "muted", role: "status" }, t("incidents.loading"));
  const element = h("div", { class: "view" }, h("div", { class: "view-head" }, h("h1", {}, title)),
    h("div", { class: "two" },
      h("section", { class: "card" }, h("h2", {}, t("system.agent")), facts),
      h("section", { class: "card" }, h("h2", {}, t("system.alarms")), alarms)),
    h("section", {}, h("h2", {}, t("system.hour")), charts, note),
    makeAuditLog().element);

  async function renew() {
    try {
      const history = await get("history");
      const open = new Set([...charts.querySelectorAll("figure:has(details[open])")].map((figure) => figure.dataset.series));
      const made = history.series.map((series) => makeChart(word("series", series.name), history.at, series));
      made.filter((figure) => open.has(figure.dataset.series)).forEach((figure) => (figure.querySelector("details").open = true));
      // Nothing is taken from under a reader's keyboard.
      if (!charts.contains(document.activeElement)) charts.replaceChildren(...made);
      fill(note, history.at.length ? "" : t("system.no_history"));
    } catch (error) {
      if (error instanceof ApiError) fill(note, error.message);
    }
  }

  const loop = poll(renew, EVERY_MS);
  return {
    element,
    title,
    update(overview) {
      const { agent, hub, model } = overview;
      fill(facts,
        fact("system.site", `${agent.site} / ${agent.id}`),
        fact("system.version", agent.version),
        fact("system.running", t("system.since", {
          duration: duration((agentNow() - Date.parse(agent.started_at)) / 1000), time: momentOf(agent.started_at),
        })),
        fact("system.hub", hub.is_connected ? chip("good", t("hub.connected")) : chip("bad", t("hub.away"))),
        fact("system.backlog", backlog(hub)),
        fact("system.model", model.is_loaded ? chip("good", model.name ?? t("model.loaded")) : chip("bad", model.reason ?? t("model.none"))));
      fill(alarms, overview.alarms.length
        ? overview.alarms.map((alarm) => h("li", {}, chip("warn", alarm)))
        : h("li", {}, chip("good", t("alarms.none"))));
    },
    close: () => loop.stop(),
  };
}

function backlog(hub) {
  if (hub.backlog === 0) return t("hub.nothing_waits");
  return t("hub.waits", { n: number(hub.backlog, 0), time: hub.oldest ? momentOf(hub.oldest) : "" });
}
