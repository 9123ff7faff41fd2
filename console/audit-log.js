// The audit log, newest first, and whether its chain is whole.

import { get } from "./api.js";
import { fill, h } from "./dom.js";
import { momentOf, t, word } from "./i18n.js";
import { chip, reasonOf } from "./parts.js";

const PAGE = 50;

/** {element}; asks by itself. */
export function makeAuditLog() {
  const state = h("p", { class: "chips" });
  const rows = h("tbody", {});
  const note = h("p", { class: "muted", role: "status" }, t("incidents.loading"));
  const more = h("button", { type: "button", hidden: true, onclick: () => ask(next) }, t("audit.more"));
  const renew = h("button", { type: "button", onclick: () => ask(null) }, t("audit.renew"));
  let next = null;
  const heads = ["sequence", "time", "actor", "action", "detail"].map((key) => h("th", { scope: "col" }, t(`audit.${key}`)));
  const element = h("section", { class: "card audit" },
    h("div", { class: "section-head" }, h("h2", {}, t("audit.title")), state, renew),
    h("div", { class: "table-box", tabIndex: 0, role: "region", "aria-label": t("audit.title") },
      h("table", {}, h("thead", {}, h("tr", {}, heads)), rows)),
    note, more);

  async function ask(before) {
    more.disabled = renew.disabled = true;
    try {
      const answer = await get(`audit?limit=${PAGE}${before === null ? "" : `&before=${before}`}`);
      const made = answer.records.map(row);
      if (before === null) rows.replaceChildren(...made);
      else rows.append(...made);
      next = answer.next;
      more.hidden = next === null;
      fill(state, answer.is_whole ? chip("good", t("audit.whole")) : chip("bad", t("audit.broken")));
      fill(note, rows.children.length ? "" : t("audit.empty"));
    } catch (error) {
      fill(note, reasonOf(error));
    }
    more.disabled = renew.disabled = false;
  }

  ask(null);
  return { element };
}

function row(record) {
  const detail = Object.entries(record.detail ?? {})
    .map(([key, value]) => `${key}: ${typeof value === "string" ? value : JSON.stringify(value)}`).join(" · ");
  return h("tr", {}, h("td", {}, record.sequence), h("td", { class: "nowrap" }, momentOf(record.time)), h("td", {}, record.actor),
    h("td", {}, word("audit_action", record.action)), h("td", { class: "detail" }, detail));
}
