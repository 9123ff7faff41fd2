// Where zones are drawn and their corners moved, above the live picture: by mouse, by touch, and by keyboard alone.
//
// Mouse and touch: each click sets a corner, a double click or a click on the first corner ends; corners are dragged. Keyboard: arrow
// keys move a cross, Space sets a corner, Enter ends, Backspace takes the last one back, Escape gives up; every corner is a button that
// arrow keys move and Delete removes.

import { announce, h, svg } from "./dom.js";
import { number, t } from "./i18n.js";
import { placeAt, pointsOf } from "./overlay.js";
import { middle } from "./polygon.js";

const STEP = 0.005;
const LARGE_STEP = 0.05;
/** A second click this near, in pixels, is part of a double click. */
const SAME_PLACE_PX = 6;
/** A click this near to the first corner ends the drawing. */
const CLOSE_PX = 14;
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

/** {element, update(), focus()}; `finish()` is called when a drawing is to end. */
export function makeSurface(draft, finish) {
  const shapes = svg("svg", { viewBox: "0 0 1 1", preserveAspectRatio: "none", "aria-hidden": "true" });
  const handles = h("div", { class: "handles" });
  const cross = h("span", { class: "cross", "aria-hidden": "true", hidden: true });
  const element = h("div", {
    class: "surface", role: "application", tabIndex: 0, "aria-label": t("draw.surface"), "aria-describedby": "draw-help",
    onclick: click, ondblclick: doubleClick, onpointermove: follow, onkeydown: key,
  }, shapes, handles, cross);
  let pointer = null;
  let cursor = [0.5, 0.5];

  function pointOf(event) {
    const box = element.getBoundingClientRect();
    return [(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height];
  }

  function pixelsBetween([ax, ay], [bx, by]) {
    const box = element.getBoundingClientRect();
    return Math.hypot((ax - bx) * box.width, (ay - by) * box.height);
  }

  function click(event) {
    if (event.target.closest("button")) return;
    const point = pointOf(event);
    if (!draft.drawing) {
      draft.select(draft.at(point)?.key ?? null);
      return;
    }
    cross.hidden = true;
    const corners = draft.drawing;
    const isClosing = corners.length >= 3 && pixelsBetween(corners[0], point) < CLOSE_PX;
    if (isClosing) finish();
    else if (!corners.length || pixelsBetween(corners[corners.length - 1], point) > SAME_PLACE_PX) set(point);
  }

  function doubleClick() {
    if (draft.drawing?.length >= 3) finish();
  }

  function set(point) {
    draft.addCorner(point);
    announce(t("draw.corner_set", { n: draft.drawing.length, ...placeWords(point) }));
  }

  function follow(event) {
    if (!draft.drawing?.length) return;
    pointer = pointOf(event);
    update();
  }

  function key(event) {
    if (event.target !== element || !draft.drawing) return;
    const arrow = ARROWS[event.key];
    if (arrow) {
      const step = event.shiftKey ? LARGE_STEP : STEP * 2;
      cursor = cursor.map((value, axis) => Math.min(1, Math.max(0, value + arrow[axis] * step)));
      pointer = cursor;
      cross.hidden = false;
      placeAt(cross, ...cursor);
      announce(t("draw.cross_at", placeWords(cursor)));
      update();
    } else if (event.key === " ") set(cursor);
    else if (event.key === "Enter") finish();
    else if (event.key === "Backspace" && draft.drawing.length) draft.dropCorner();
    else if (event.key === "Escape") draft.cancelDrawing();
    else return;
    event.preventDefault();
  }

  function update() {
    element.classList.toggle("is-drawing", draft.drawing !== null);
    if (!draft.drawing) {
      cross.hidden = true;
      pointer = null;
    }
    shapes.replaceChildren(...draft.zones.flatMap((zone) => zoneShapes(zone, zone.key === draft.selected, draft.flaw(zone))),
      ...(draft.drawing ? drawingShapes(draft.drawing, pointer) : []));
    updateHandles();
  }

  function updateHandles() {
    const zone = draft.drawing ? null : draft.zone(draft.selected);
    const corners = zone?.polygon ?? [];
    const places = [...corners.map((at, index) => ({ kind: "corner", at, index })),
      ...corners.map((at, index) => ({ kind: "between", at: middle(at, corners[(index + 1) % corners.length]), index }))];
    const first = draft.drawing?.length >= 3 ? [{ kind: "first", at: draft.drawing[0], index: 0 }] : [];
    const wanted = [...places, ...first];
    // Handles of a kind stay in the page, so that the one with the focus keeps it while it moves.
    wanted.forEach((place, i) => {
      let handle = handles.children[i];
      if (handle?.dataset.kind !== place.kind) {
        handle?.remove();
        handle = makeHandle(place.kind);
        handles.insertBefore(handle, handles.children[i] ?? null);
      }
      handle.dataset.index = place.index;
      handle.ariaLabel = t(`draw.${place.kind}`, { n: place.index + 1, zone: zone?.id ?? "", ...placeWords(place.at) });
      placeAt(handle, ...place.at);
    });
    while (handles.children.length > wanted.length) handles.lastChild.remove();
  }

  function makeHandle(kind) {
    const handle = h("button", { type: "button", class: `handle ${kind}`, "data-kind": kind });
    const index = () => Number(handle.dataset.index);
    if (kind === "first") handle.addEventListener("click", finish);
    if (kind === "between") {
      handle.addEventListener("click", () => {
        const after = index();
        draft.insertCorner(draft.selected, after);
        handles.querySelector(`.corner[data-index="${after + 1}"]`).focus();
      });
    }
    if (kind === "corner") beMovable(handle, index);
    return handle;
  }

  function beMovable(handle, index) {
    handle.addEventListener("pointerdown", (event) => {
      draft.endRun();
      handle.setPointerCapture(event.pointerId);
    });
    handle.addEventListener("pointermove", (event) => {
      if (handle.hasPointerCapture(event.pointerId)) draft.moveCorner(draft.selected, index(), pointOf(event));
    });
    handle.addEventListener("pointerup", () => draft.endRun());
    handle.addEventListener("keydown", (event) => {
      const arrow = ARROWS[event.key];
      if (arrow) {
        const step = event.shiftKey ? LARGE_STEP : STEP;
        const [x, y] = draft.zone(draft.selected).polygon[index()];
        draft.moveCorner(draft.selected, index(), [x + arrow[0] * step, y + arrow[1] * step]);
        announce(t("draw.corner_at", { n: index() + 1, ...placeWords(draft.zone(draft.selected).polygon[index()]) }));
      } else if (event.key === "Delete" || event.key === "Backspace") {
        if (!draft.removeCorner(draft.selected, index())) announce(t("zone.too_few"));
      } else return;
      event.preventDefault();
    });
    handle.addEventListener("blur", () => draft.endRun());
  }

  return { element, update, focus: () => element.focus() };
}

function zoneShapes(zone, isSelected, flaw) {
  const points = pointsOf(zone.polygon);
  const kind = `zone${isSelected ? " is-selected" : ""}${flaw ? " is-flawed" : ""}`;
  return [svg("polygon", { class: "halo", points }), svg("polygon", { class: kind, points, "data-zone": zone.id })];
}

function drawingShapes(corners, pointer) {
  const line = pointsOf(pointer ? [...corners, pointer] : corners);
  const dots = corners.map(([x, y]) => svg("line", { class: "dot", x1: x, y1: y, x2: x, y2: y }));
  return [svg("polyline", { class: "halo", points: line }), svg("polyline", { class: "drawing", points: line }), ...dots];
}

function placeWords([x, y]) {
  return { x: number(x * 100, 1), y: number(y * 100, 1) };
}
