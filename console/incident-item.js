// One incident in the timeline: a line that opens to its course, its pictures and what can be done.

import { fill, h } from "./dom.js";
import { makePictures } from "./evidence-pictures.js";
import { duration, momentOf, t, timeOf, word } from "./i18n.js";
import { makeActions } from "./incident-actions.js";
import { chip, fact, phaseChip } from "./parts.js";

/** {element, update(incident), close()}; `cameraName(id)` is what people call a camera, `changed` hears of every action. */
export function makeIncidentItem(first, cameraName, changed) {
  const id = first.id;
  let incident = first;
  let body = null;
  let told = "";
  const head = h("button", {
    type: "button", class: "incident-head", "aria-expanded": "false", "aria-controls": `incident-${id}`, onclick: toggle,
  });
  const camera = h("span", { class: "muted" });
  const panel = h("div", { id: `incident-${id}`, class: "incident-body", hidden: true });
  const element = h("article", { class: "incident", "data-incident": id }, h("h3", {}, head), panel);

  function toggle() {
    const opens = panel.hidden;
    panel.hidden = !opens;
    head.setAttribute("aria-expanded", String(opens));
    if (!opens) return;
    body ??= makeBody(incident, changed);
    fill(panel, body.element);
    body.update(incident);
  }

  function update(next) {
    incident = next;
    const now = JSON.stringify(next);
    if (now === told) return;
    told = now;
    element.dataset.camera = next.camera;
    element.dataset.zone = next.zone;
    element.dataset.state = next.state;
    fill(head, headWords(next, camera));
    rename();
    if (body) body.update(next);
  }

  /** Writes the camera's name anew: it may have become known since. */
  function rename() {
    fill(camera, `${cameraName(incident.camera)} · ${incident.zone}`);
  }

  return { element, update, rename, close: () => body?.close() };
}

function headWords(incident, camera) {
  const isGrave = incident.severity === "high" || incident.severity === "critical";
  return [
    h("time", { dateTime: incident.opened_at }, timeOf(incident.opened_at)),
    h("span", { class: "incident-what" },
      h("strong", {}, incident.kind ? word("kind", incident.kind) : incident.rule), camera),
    h("span", { class: "chips" }, phaseChip(incident.state),
      isGrave ? chip("bad", word("severity", incident.severity)) : null,
      incident.verdict ? chip(incident.verdict === "confirmed" ? "good" : "none", word("verdict", incident.verdict)) : null,
      incident.is_stale ? chip("warn", t("incident.stale")) : null,
      incident.is_held ? chip("none", t("incident.held")) : null),
  ];
}

function makeBody(first, changed) {
  const pictures = makePictures();
  const course = h("ol", { class: "course" });
  const facts = h("dl", { class: "facts" });
  const actions = makeActions(first.id, changed);
  const noPicture = h("p", { class: "muted" }, t("evidence.none"));
  const element = h("div", { class: "incident-columns" },
    h("section", {}, h("h4", {}, t("incident.pictures")), noPicture, pictures.element,
      h("p", { class: "hint" }, t("evidence.audited"))),
    h("section", {}, h("h4", {}, t("incident.course")), course, facts, actions.element));

  function update(incident) {
    noPicture.hidden = incident.evidence.length > 0;
    pictures.update(incident.evidence);
    fill(course, incident.course.map((step) => h("li", {},
      h("time", { dateTime: step.at }, timeOf(step.at)), h("span", {}, word("phase", step.type), step.text ? `: ${word("course", step.text)}` : null))));
    fill(facts, fact("incident.stood", stood(incident)), fact("incident.rule", incident.rule),
      fact("incident.severity", word("severity", incident.severity)),
      fact("incident.closed_at", incident.closed_at && momentOf(incident.closed_at)), fact("incident.id", incident.id));
    actions.update(incident);
  }

  return { element, update, close: () => pictures.close() };
}

function stood(incident) {
  return incident.closed_at ? duration((Date.parse(incident.closed_at) - Date.parse(incident.opened_at)) / 1000) : null;
}
