// Every camera as a live tile.

import { cameraChips, cameraPath, nameOf, openWords } from "./camera-words.js";
import { fill, h, reconcile } from "./dom.js";
import { t } from "./i18n.js";
import { makeLivePicture } from "./live-picture.js";

/** The view. */
export function makeCamerasView() {
  const title = t("nav.cameras");
  const summary = h("p", { class: "summary" });
  const tiles = h("ul", { class: "tiles" });
  const known = new Map();
  const element = h("div", { class: "view" }, h("div", { class: "view-head" }, h("h1", {}, title), summary), tiles);

  return {
    element,
    title,
    update(overview) {
      const online = overview.cameras.filter((camera) => camera.state === "online").length;
      const open = overview.cameras.reduce((sum, camera) => sum + camera.open, 0);
      fill(summary, t("cameras.summary", { online, all: overview.cameras.length, open }));
      reconcile(tiles, known, overview.cameras, (camera) => camera.id, makeTile);
    },
    close: () => known.forEach((tile) => tile.close()),
  };
}

function makeTile(first) {
  let camera = first;
  const isWatched = camera.state !== "disabled";
  const picture = isWatched ? makeLivePicture(camera.id, { describe: () => nameOf(camera) }) : null;
  const name = h("a", { class: "tile-name", href: cameraPath(camera.id) });
  const chips = h("p", { class: "chips" });
  const reason = h("p", { class: "reason" });
  const element = h("li", { class: "tile", "data-camera": camera.id },
    picture?.element ?? h("div", { class: "live is-off" }, h("p", { class: "live-waiting" }, t("picture.off"))),
    h("div", { class: "tile-words" }, h("h2", {}, name), chips, reason));
  let told = "";

  function update(next) {
    camera = next;
    fill(name, nameOf(camera));
    fill(reason, camera.reason);
    // Chips are made anew only if they say something else.
    const now = JSON.stringify([camera.state, camera.picture, camera.open]);
    if (now !== told) fill(chips, cameraChips(camera), openWords(camera.open));
    told = now;
  }

  return { element, update, close: () => picture?.close() };
}
