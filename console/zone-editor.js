// The zones of a camera, drawn on its live picture, tried on what it saw in the last minutes, and applied.

import { get, post } from "./api.js";
import { cameraPath, nameOf } from "./camera-words.js";
import { announce, fill, h } from "./dom.js";
import { t } from "./i18n.js";
import { makeLivePicture } from "./live-picture.js";
import { makeOverlay } from "./overlay.js";
import { reasonOf } from "./parts.js";
import { makeSurface } from "./zone-surface.js";
import { ZoneDraft } from "./zone-draft.js";
import { makeZoneList } from "./zone-list.js";
import { makePreviewPanel } from "./zone-preview.js";

/** Pause after the last change before the agent is asked what it would have reported. */
const SETTLE_MS = 500;
const TRY_AGAIN_MS = 2_000;
/** How often an unchanged draft is tried again: the last minutes go on. */
const RENEW_MS = 5_000;

/** Drafts by camera: whoever looks at another page comes back to what was drawn. */
const drafts = new Map();

/** The view. */
export function makeZoneEditor(id) {
  const heading = h("h1", {}, t("zones.of", { camera: id }));
  const body = h("div", {}, h("p", { class: "muted" }, t("incidents.loading")));
  const element = h("div", { class: "view zone-editor", "data-camera": id },
    h("nav", { class: "back", "aria-label": t("nav.back_label") }, h("a", { href: cameraPath(id) }, t("nav.back_to_camera"))),
    h("div", { class: "view-head" }, heading), body);
  let name = id;
  let editor = null;
  let isClosed = false;

  async function begin() {
    try {
      const scene = await get(`cameras/${encodeURIComponent(id)}/scene`);
      if (isClosed) return;
      if (!drafts.get(id)?.isChanged) drafts.set(id, new ZoneDraft(scene.zones));
      editor = makeEditor(id, drafts.get(id), scene.rule_list, () => name);
      fill(body, editor.element);
      editor.update();
    } catch (error) {
      fill(body, h("p", { class: "answer is-bad", role: "alert" }, reasonOf(error)));
      if (!isClosed) setTimeout(begin, TRY_AGAIN_MS);
    }
  }

  begin();
  return {
    element,
    title: t("zones.of", { camera: id }),
    update(overview) {
      const camera = overview.cameras.find((candidate) => candidate.id === id);
      name = camera ? nameOf(camera) : id;
      fill(heading, t("zones.of", { camera: name }));
    },
    close() {
      isClosed = true;
      editor?.close();
    },
  };
}

function makeEditor(id, draft, rules, name) {
  const path = `cameras/${encodeURIComponent(id)}/zones`;
  const picture = makeLivePicture(id, { describe: name, shown: () => ({ zones: false, cases: false }) });
  const would = makeOverlay();
  const surface = makeSurface(draft, finish);
  picture.element.append(would.element, surface.element);
  const list = makeZoneList(draft, rules);
  const preview = makePreviewPanel();
  const help = h("p", { class: "hint", id: "draw-help" });
  const answer = h("p", { class: "answer", role: "status" });
  const tools = makeTools();
  let unused = new Set();
  let refused = new Map();
  let timer = null;
  let asked = "";
  let isClosed = false;

  function makeTools() {
    const button = (key, onclick, kind = "") => h("button", { type: "button", class: kind, "data-tool": key, onclick }, t(`tool.${key}`));
    return {
      draw: button("draw", () => {
        draft.startDrawing();
        surface.focus();
      }, "primary"),
      finish: button("finish", finish, "primary"),
      cancel: button("cancel", () => draft.cancelDrawing()),
      undo: button("undo", () => draft.undo()),
      apply: button("apply", apply, "primary"),
    };
  }

  /** Ends the drawing. A new zone belongs to the only rule, if there is but one. */
  function finish() {
    const flaw = draft.finishDrawing(rules.length === 1 ? [rules[0].id] : []);
    say(flaw ? "bad" : "good", flaw ? t(flaw) : t("draw.done", { zone: draft.zone(draft.selected).id }));
  }

  function update() {
    const isDrawing = draft.drawing !== null;
    surface.update();
    list.update(errors(), unused);
    tools.draw.hidden = isDrawing;
    tools.finish.hidden = tools.cancel.hidden = !isDrawing;
    tools.undo.disabled = !draft.canUndo && !draft.drawing?.length;
    tools.apply.disabled = isDrawing || !draft.isChanged || errors().size > 0;
    fill(help, t(isDrawing ? "draw.help_drawing" : "draw.help"));
    const now = JSON.stringify(draft.asRequest());
    if (now === asked) return;
    asked = now;
    refused = new Map();
    clearTimeout(timer);
    timer = setTimeout(tryOut, SETTLE_MS);
  }

  /** What is wrong, by key of the zone: found here, or told by the agent. */
  function errors() {
    const own = draft.zones.map((zone) => [zone.key, draft.flaw(zone)]).filter(([, flaw]) => flaw);
    return new Map([...refused, ...own.map(([key, flaw]) => [key, t(flaw)])]);
  }

  async function tryOut() {
    if (isClosed) return;
    if (errors().size > 0) {
      preview.clear(t("preview.mistakes"));
      would.drawPreview([]);
      return;
    }
    const mine = asked;
    try {
      const answer = await post(`${path}/preview`, { zones: draft.asRequest() });
      if (mine !== asked) return;
      preview.show(answer);
      would.drawPreview(answer.would);
      unused = new Set(answer.unused);
    } catch (error) {
      if (mine !== asked) return;
      preview.clear(reasonOf(error));
      would.drawPreview([]);
      blame(error);
    }
    list.update(errors(), unused);
    timer = setTimeout(tryOut, RENEW_MS);
  }

  async function apply() {
    tools.apply.disabled = true;
    say("none", t("answer.asking"));
    try {
      const reply = await post(path, { zones: draft.asRequest() });
      if (reply.applied) {
        draft.applied();
        say("good", t("apply.done", { file: reply.file }));
      } else say("bad", t("apply.not", { why: reply.reason ?? "" }));
    } catch (error) {
      say("bad", t("apply.not", { why: reasonOf(error) }));
      if (error.body?.yaml) preview.offer(error.body.yaml, true);
      blame(error);
    }
    update();
  }

  /** Puts the agent's sentence beside the zone that it is about. */
  function blame(error) {
    const at = error.at ?? "";
    const index = Number(/^zones[.[](\d+)/.exec(at)?.[1] ?? Number.NaN);
    const zone = draft.zones.find((candidate) => candidate.id === at) ?? draft.zones[index];
    if (zone) refused.set(zone.key, error.message);
  }

  function say(look, text) {
    answer.className = `answer is-${look}`;
    fill(answer, text);
    announce(text);
  }

  function undoByKey(event) {
    const isUndo = (event.ctrlKey || event.metaKey) && !event.shiftKey && event.key.toLowerCase() === "z";
    if (!isUndo || event.target.matches("input[type=text]:not([readonly])")) return;
    event.preventDefault();
    draft.undo();
  }

  const warn = (event) => {
    if (draft.isChanged) event.preventDefault();
  };
  draft.addEventListener("change", update);
  addEventListener("beforeunload", warn);
  const element = h("div", { class: "split", onkeydown: undoByKey },
    h("div", { class: "drawing-side" },
      h("div", { class: "actions" }, tools.draw, tools.finish, tools.cancel, tools.undo), picture.element, help, answer),
    h("div", { class: "side" },
      h("section", {}, h("h2", {}, t("zones.title")), list.element, h("div", { class: "actions" }, tools.apply)), preview.element));

  return {
    element,
    update,
    close() {
      isClosed = true;
      clearTimeout(timer);
      draft.removeEventListener("change", update);
      removeEventListener("beforeunload", warn);
      picture.close();
    },
  };
}
