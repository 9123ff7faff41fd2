// The zones in words: their names, rules and mistakes. The same can be done here as on the picture, save for moving corners.

import { h, reconcile } from "./dom.js";
import { t, word } from "./i18n.js";

/** {element, update(errors, unused)}: `errors` maps zone keys to sentences, `unused` has ids that no rule names. */
export function makeZoneList(draft, rules) {
  const list = h("ul", { class: "zone-list" });
  const empty = h("p", { class: "muted" }, t("zones.none"));
  const known = new Map();

  function update(errors, unused) {
    empty.hidden = draft.zones.length > 0;
    reconcile(list, known, draft.zones, (zone) => zone.key, (zone) => makeZone(draft, zone.key, rules));
    known.forEach((entry, key) => entry.judge(errors.get(key) ?? null, unused.has(draft.zone(key).id)));
  }

  return { element: h("div", {}, empty, list), update };
}

function makeZone(draft, key, rules) {
  const error = h("p", { class: "answer is-bad", id: `zone-error-${key}`, hidden: true });
  const warning = h("p", { class: "answer is-warn", hidden: true }, t("zone.unused"));
  const name = h("input", {
    id: `zone-name-${key}`, type: "text", spellcheck: false, autocapitalize: "none", autocomplete: "off", maxLength: 64,
    "aria-describedby": error.id, onfocus: () => draft.select(key),
    oninput: () => draft.rename(key, name.value), onblur: () => draft.endRun(),
  });
  const select = h("button", { type: "button", class: "quiet", onclick: () => draft.select(key) }, t("zone.select"));
  const remove = h("button", { type: "button", class: "quiet", onclick: () => draft.remove(key) }, t("zone.remove"));
  const boxes = rules.map((rule) => h("label", { class: "check" },
    h("input", { type: "checkbox", value: rule.id, onchange: chooseRules }), word("kind", rule.kind), h("code", {}, rule.id)));
  const choice = h("fieldset", { class: "rule-choice" }, h("legend", {}, t("zone.rules_of_new")), boxes);
  const used = h("p", { class: "muted" });
  const element = h("li", { class: "zone-item" },
    h("div", { class: "zone-row" },
      h("p", { class: "field" }, h("label", { htmlFor: name.id }, t("zone.name")), name), select, remove),
    used, choice, warning, error);

  function chooseRules() {
    draft.setRules(key, boxes.map((box) => box.firstChild).filter((box) => box.checked).map((box) => box.value));
  }

  function update(zone) {
    element.dataset.zone = zone.id;
    element.classList.toggle("is-selected", draft.selected === key);
    select.setAttribute("aria-pressed", String(draft.selected === key));
    if (name.value !== zone.id) name.value = zone.id;
    // A rule names its zones: one that it names keeps its name.
    name.readOnly = !zone.isNew && zone.rules.length + zone.permitted_of.length > 0;
    remove.ariaLabel = t("zone.remove_named", { zone: zone.id });
    select.ariaLabel = t("zone.select_named", { zone: zone.id });
    choice.hidden = !zone.isNew;
    boxes.forEach((box) => (box.firstChild.checked = zone.rules.includes(box.firstChild.value)));
    const said = zone.isNew ? [] : [["zone.used_by", zone.rules], ["zone.excepted_by", zone.permitted_of]];
    used.textContent = said.filter(([, rules]) => rules.length).map(([key, rules]) => t(key, { rules: rules.join(t("list.comma")) })).join(" ");
    used.hidden = used.textContent === "";
  }

  function judge(sentence, isUnused) {
    error.hidden = sentence === null;
    error.textContent = sentence ?? "";
    name.setAttribute("aria-invalid", String(sentence !== null));
    warning.hidden = !isUnused || sentence !== null;
  }

  return { element, update, judge };
}
