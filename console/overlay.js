// What is drawn over a picture: zones, boxes and standing times. Shapes are SVG in units of the picture; words are HTML above them, so
// that they keep their size. It is decoration: whatever it shows stands in words beside the picture.

import { h, svg } from "./dom.js";
import { duration, word } from "./i18n.js";

/** An empty overlay: {element, draw(scene, shown), drawPreview(would)}. */
export function makeOverlay() {
  const shapes = svg("svg", { viewBox: "0 0 1 1", preserveAspectRatio: "none" });
  const labels = h("div", { class: "overlay-labels" });
  const element = h("div", { class: "overlay", "aria-hidden": "true" }, shapes, labels);

  function draw(scene, { zones = true, boxes = true, cases = true } = {}) {
    shapes.replaceChildren();
    labels.replaceChildren();
    if (!scene) return;
    if (zones) scene.zones.forEach((zone) => drawZone(shapes, labels, zone));
    if (!boxes) return;
    const followed = cases ? scene.rules.filter((rule) => rule.bbox) : [];
    scene.objects.filter((object) => !followed.some((rule) => overlap(rule.bbox, object.bbox) > 0.6))
      .forEach((object) => drawBox(shapes, labels, object.bbox, "object", objectWords(object)));
    followed.forEach((rule) => drawBox(shapes, labels, rule.bbox, `case case-${rule.phase}`, caseWords(rule)));
  }

  function drawPreview(would) {
    shapes.replaceChildren();
    labels.replaceChildren();
    would.forEach((found) => drawBox(shapes, labels, found.bbox, "would", found.class ? `${found.rule} · ${word("class", found.class)}` : found.rule));
  }

  return { element, draw, drawPreview };
}

/** The points of a polygon as SVG writes them. */
export function pointsOf(polygon) {
  return polygon.map(([x, y]) => `${x},${y}`).join(" ");
}

/** Puts an element at a place of the picture, 0..1. */
export function placeAt(element, x, y) {
  element.style.left = `${x * 100}%`;
  element.style.top = `${y * 100}%`;
}

/** "Car · 12 s". */
export function objectWords(object) {
  const standing = object.standing_secs >= 1 ? ` · ${duration(object.standing_secs)}` : "";
  return word("class", object.class) + standing;
}

function caseWords(rule) {
  return `${word("kind", rule.kind)} · ${word("phase", rule.phase)} · ${duration(rule.observed_secs)}`;
}

function drawZone(shapes, labels, zone) {
  shapes.append(svg("polygon", { class: "halo", points: pointsOf(zone.polygon) }),
    svg("polygon", { class: "zone", points: pointsOf(zone.polygon) }));
  const [x, y] = zone.polygon.reduce((best, corner) => (corner[1] < best[1] ? corner : best));
  labels.append(label(zone.name ?? zone.id, "zone-label", x, y));
}

function drawBox(shapes, labels, [x, y, width, height], kind, words) {
  shapes.append(svg("rect", { class: "halo", x, y, width, height }), svg("rect", { class: kind, x, y, width, height }));
  labels.append(label(words, kind, x, y));
}

function label(words, kind, x, y) {
  const sides = `${x > 0.6 ? " ends-here" : ""}${y < 0.06 ? " below" : ""}`;
  const element = h("span", { class: `label ${kind}${sides}` }, words);
  placeAt(element, x, y);
  return element;
}

/** Share of the smaller box that both cover. */
function overlap([ax, ay, aw, ah], [bx, by, bw, bh]) {
  const width = Math.min(ax + aw, bx + bw) - Math.max(ax, bx);
  const height = Math.min(ay + ah, by + bh) - Math.max(ay, by);
  return width > 0 && height > 0 ? (width * height) / Math.min(aw * ah, bw * bh) : 0;
}
