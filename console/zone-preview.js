// What the zones as drawn would have reported over the last minutes, and the YAML that says them.

import { announce, fill, h } from "./dom.js";
import { t, timeOf, word } from "./i18n.js";

/** {element, show(preview), clear(text), offer(yaml)}. */
export function makePreviewPanel() {
  const status = h("p", { class: "muted", role: "status" });
  const list = h("ul", { class: "would-list" });
  const notes = h("ul", { class: "notes" });
  const yaml = h("pre", { tabIndex: 0, "aria-label": "YAML" });
  const answer = h("span", { class: "muted", role: "status" });
  const copy = h("button", { type: "button", onclick: copyYaml }, t("yaml.copy"));
  const box = h("details", { class: "yaml", hidden: true },
    h("summary", {}, t("yaml.title")), h("div", { class: "actions" }, copy, answer), yaml);
  const element = h("section", { class: "preview" }, h("h2", {}, t("preview.title")), status, list, notes, box);

  function show(preview) {
    const { from, to } = preview.window ?? {};
    fill(status, from ? t("preview.window", { n: preview.would.length, from: timeOf(from), to: timeOf(to) }) : "");
    fill(list, preview.would.map((found) => h("li", { class: "would-item", "data-zone": found.zone, "data-rule": found.rule },
      h("strong", {}, `${found.rule} · ${found.zone}`),
      h("span", {}, t(found.closed_at ? "preview.from_to" : "preview.since", {
        class: found.class ? word("class", found.class) : "", from: timeOf(found.opened_at), to: found.closed_at ? timeOf(found.closed_at) : "",
      })))));
    fill(notes, preview.notes.map((note) => h("li", {}, note)));
    offer(preview.yaml);
  }

  function clear(text) {
    fill(status, text);
    fill(list);
    fill(notes);
  }

  function offer(text, isOpen = box.open) {
    box.hidden = false;
    box.open = isOpen;
    fill(yaml, text);
  }

  async function copyYaml() {
    fill(answer, (await copied(yaml)) ? t("yaml.copied") : t("yaml.not_copied"));
    announce(answer.textContent);
  }

  return { element, show, clear, offer };
}

/** Copies the text of an element; where the page may not reach the clipboard (no TLS), what is selected is left to the person. */
async function copied(element) {
  try {
    await navigator.clipboard.writeText(element.textContent);
    return true;
  } catch {
    getSelection().selectAllChildren(element);
    return false;
  }
}
