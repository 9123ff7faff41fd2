// One camera, large: its picture, what is in it, and how its rules stand and why.

import { cameraChips, cameraPath, nameOf } from "./camera-words.js";
import { fill, h } from "./dom.js";
import { duration, number, t, word } from "./i18n.js";
import { makeLivePicture } from "./live-picture.js";
import { objectWords } from "./overlay.js";
import { fact, phaseChip } from "./parts.js";

/** The view of the camera with that id. */
export function makeCameraView(id) {
  let camera = null;
  const shown = { zones: true, boxes: true };
  const heading = h("h1", {}, id);
  const chips = h("p", { class: "chips" });
  const reason = h("p", { class: "reason" });
  const facts = h("dl", { class: "facts" });
  const inPicture = h("ul", { class: "plain-list" });
  const rules = h("ul", { class: "rules" });
  const picture = makeLivePicture(id, {
    describe: () => (camera ? nameOf(camera) : id), shown: () => shown, onScene: (scene) => tell(scene),
  });
  const toggle = (key) => h("label", { class: "check" },
    h("input", {
      type: "checkbox", checked: true,
      onchange(event) {
        shown[key] = event.target.checked;
        picture.redraw();
      },
    }), t(`camera.show_${key}`));
  const element = h("div", { class: "view", "data-camera": id },
    h("nav", { class: "back", "aria-label": t("nav.back_label") }, h("a", { href: "#/cameras" }, t("nav.all_cameras"))),
    h("div", { class: "view-head" }, heading, chips,
      h("div", { class: "actions" },
        h("a", { class: "button", href: cameraPath(id, "/zones") }, t("camera.edit_zones")),
        h("a", { class: "button", href: `#/incidents?camera=${encodeURIComponent(id)}` }, t("camera.incidents")))),
    reason,
    h("div", { class: "split" },
      h("div", {}, picture.element, h("div", { class: "toggles" }, toggle("zones"), toggle("boxes"))),
      h("div", { class: "side" },
        h("section", {}, h("h2", {}, t("camera.rules")), rules),
        h("section", {}, h("h2", {}, t("camera.in_picture")), inPicture),
        h("section", {}, h("h2", {}, t("camera.stream")), facts))));

  function tell(scene) {
    fill(rules, scene.rule_list.map((rule) => ruleItem(rule, scene)));
    const objects = scene.objects.map((object) =>
      h("li", {}, objectWords(object), object.zone ? h("span", { class: "muted" }, ` ${zoneName(scene, object.zone)}`) : null));
    fill(inPicture, objects.length ? objects : h("li", { class: "muted" }, t("camera.nothing")));
  }

  return {
    element,
    title: id,
    update(overview) {
      camera = overview.cameras.find((candidate) => candidate.id === id) ?? null;
      if (!camera) {
        fill(reason, t("camera.unknown"));
        return;
      }
      fill(heading, nameOf(camera));
      fill(chips, cameraChips(camera, { all: true }));
      fill(reason, camera.reason);
      fill(facts, fact("camera.size", camera.size && `${camera.size[0]} × ${camera.size[1]}`),
        fact("camera.fps_in", camera.fps_in !== null && number(camera.fps_in)),
        fact("camera.analysed", camera.analysed_per_sec !== null && number(camera.analysed_per_sec)),
        fact("camera.id", camera.id));
    },
    close: () => picture.close(),
  };
}

function zoneName(scene, id) {
  return scene.zones.find((zone) => zone.id === id)?.name ?? id;
}

/** A rule with what it follows. */
function ruleItem(rule, scene) {
  const cases = scene.rules.filter((of) => of.rule === rule.id);
  const items = cases.map((of) => h("li", { class: "case-item" },
    h("p", { class: "case-head" }, phaseChip(of.phase), " ", of.zone ? zoneName(scene, of.zone) : null, dwellMeter(of)),
    h("p", { class: "why" }, of.why)));
  return h("li", { class: "rule" },
    h("h3", {}, word("kind", rule.kind), h("code", {}, rule.id)),
    h("p", { class: "muted" }, t("rule.zones", { zones: rule.zones.map((id) => zoneName(scene, id)).join(t("list.comma")) })),
    items.length ? h("ul", { class: "cases" }, items) : h("p", { class: "muted" }, t("rule.quiet")));
}

function dwellMeter(of) {
  const text = t("rule.dwell", { observed: duration(of.observed_secs), dwell: duration(of.dwell_secs) });
  return h("span", { class: "dwell" },
    h("meter", { max: of.dwell_secs, value: Math.min(of.observed_secs, of.dwell_secs), "aria-label": text }), text);
}
