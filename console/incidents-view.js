// Incidents of every camera, newest first, by day.

import { ApiError, get } from "./api.js";
import { nameOf } from "./camera-words.js";
import { fill, h, reconcile } from "./dom.js";
import { dayOf, t } from "./i18n.js";
import { makeIncidentItem } from "./incident-item.js";
import { reasonOf } from "./parts.js";
import { poll } from "./poll.js";

const EVERY_MS = 4_000;
const PAGE = 50;

/** The view; `query` has the filters `camera` and `state`. */
export function makeIncidentsView(query) {
  const title = t("nav.incidents");
  const filter = { camera: query.get("camera") ?? "", state: query.get("state") ?? "" };
  let cameras = new Map();
  // Pages after the first are asked for once; the first is renewed.
  let newest = [];
  let older = [];
  let next = null;

  const byState = h("select", { id: "filter-state", onchange: choose },
    ["", "open", "closed"].map((value) => h("option", { value }, t(`filter.${value || "any"}`))));
  const byCamera = h("select", { id: "filter-camera", onchange: choose });
  const status = h("p", { class: "muted", role: "status" }, t("incidents.loading"));
  const list = h("div", { class: "timeline" });
  const more = h("button", { type: "button", hidden: true, onclick: askOlder }, t("incidents.more"));
  const known = new Map();
  const element = h("div", { class: "view" },
    h("div", { class: "view-head" }, h("h1", {}, title),
      h("div", { class: "filters" },
        h("p", { class: "field" }, h("label", { htmlFor: "filter-state" }, t("filter.state")), byState),
        h("p", { class: "field" }, h("label", { htmlFor: "filter-camera" }, t("filter.camera")), byCamera))),
    list, status, more);
  byState.value = filter.state;

  function choose() {
    const chosen = new URLSearchParams();
    if (byCamera.value) chosen.set("camera", byCamera.value);
    if (byState.value) chosen.set("state", byState.value);
    const query = chosen.toString();
    location.hash = `#/incidents${query ? `?${query}` : ""}`;
  }

  function page(before) {
    const asked = new URLSearchParams({ limit: PAGE });
    for (const [name, value] of Object.entries({ ...filter, before })) if (value) asked.set(name, value);
    return get(`incidents?${asked}`);
  }

  async function renew() {
    try {
      const answer = await page(null);
      newest = answer.incidents;
      if (older.length === 0) next = answer.next;
      show();
    } catch (error) {
      // A lost connection is told by the banner.
      if (error instanceof ApiError) fill(status, error.message);
    }
  }

  async function askOlder() {
    more.disabled = true;
    try {
      const answer = await page(next);
      older = older.concat(answer.incidents);
      next = answer.next;
      show();
    } catch (error) {
      fill(status, reasonOf(error));
    }
    more.disabled = false;
  }

  function show() {
    const seen = new Set();
    const incidents = newest.concat(older).filter((incident) => !seen.has(incident.id) && seen.add(incident.id));
    let day = "";
    const rows = incidents.flatMap((incident) => {
      const own = dayOf(incident.opened_at);
      const rows = own === day ? [incident] : [{ day: own }, incident];
      day = own;
      return rows;
    });
    reconcile(list, known, rows, (row) => row.id ?? row.day, (row) => (row.id
      ? makeIncidentItem(row, (id) => (cameras.has(id) ? nameOf(cameras.get(id)) : id), () => loop.now())
      : { element: h("h2", { class: "day" }, row.day), update() {} }));
    fill(status, incidents.length === 0 ? t("incidents.none") : "");
    more.hidden = !next;
  }

  const loop = poll(renew, EVERY_MS);
  return {
    element,
    title,
    update(overview) {
      cameras = new Map(overview.cameras.map((camera) => [camera.id, camera]));
      known.forEach((item) => item.rename?.());
      if (byCamera.options.length === cameras.size + 1) return;
      fill(byCamera, h("option", { value: "" }, t("filter.any")),
        overview.cameras.map((camera) => h("option", { value: camera.id }, nameOf(camera))));
      byCamera.value = filter.camera;
    },
    close() {
      loop.stop();
      known.forEach((item) => item.close?.());
    },
  };
}
