// The pictures and clips of an incident. They are asked for only when somebody opens the incident: the agent writes each look into its audit log.

import { getPicture } from "./api.js";
import { fill, h } from "./dom.js";
import { momentOf, t, word } from "./i18n.js";
import { reasonOf } from "./parts.js";

/** {element, update(evidence), close()}. */
export function makePictures() {
  const element = h("ul", { class: "pictures" });
  const known = new Map();
  const dialog = makeDialog();

  function update(evidence) {
    for (const item of evidence.filter((of) => !known.has(of.id))) {
      const thumbnail = item.media_type.startsWith("video/") ? makeClip(item) : makeThumbnail(item, dialog);
      known.set(item.id, thumbnail);
      element.append(thumbnail.element);
    }
    element.hidden = known.size === 0;
  }

  return {
    element: h("div", {}, element, dialog.element),
    update,
    close: () => known.forEach((thumbnail) => thumbnail.close()),
  };
}

function makeThumbnail(item, dialog) {
  // Of a picture whose record is lost only its time is known.
  const words = item.role && item.view ? `${word("role", item.role)} · ${word("view", item.view)}` : t("evidence.unnamed");
  const image = h("img", { alt: "", hidden: true });
  const note = h("span", { class: "picture-note" }, t("picture.loading"));
  const button = h("button", {
    type: "button", class: "thumbnail", disabled: true, "data-view": item.view, "aria-label": t("evidence.enlarge", { picture: words }),
    onclick: () => dialog.open(image.src, words, item.taken_at),
  }, image, note);
  const { load, close } = makeLoader(item, note, (url) => {
    image.src = url;
    image.hidden = false;
    button.disabled = false;
  });
  load();
  const time = h("span", { class: "muted" }, momentOf(item.taken_at));
  return {
    element: h("li", {}, button, h("p", { class: "picture-words" }, words, " ", time)),
    close,
  };
}

function makeClip(item) {
  const words = word("role", item.role ?? "clip");
  const video = h("video", { controls: true, muted: true, playsInline: true, hidden: true, "aria-label": words });
  const note = h("span", { class: "picture-note" }, t("picture.loading"));
  const { load, close } = makeLoader(item, note, (url) => {
    video.src = url;
    video.hidden = false;
  });
  load();
  const time = h("span", { class: "muted" }, momentOf(item.taken_at));
  return { element: h("li", {}, h("div", { class: "clip" }, video, note), h("p", { class: "picture-words" }, words, " ", time)), close };
}

/** Loads a picture or clip once, as long as nobody has closed it. */
function makeLoader(item, note, show) {
  let url = null;
  let isClosed = false;
  return {
    async load() {
      try {
        const { blob } = await getPicture(`evidence/${encodeURIComponent(item.id)}`);
        if (isClosed) return;
        url = URL.createObjectURL(blob);
        note.hidden = true;
        show(url);
      } catch (error) {
        fill(note, t("evidence.failed", { why: reasonOf(error) }));
      }
    },
    close() {
      isClosed = true;
      if (url) URL.revokeObjectURL(url);
    },
  };
}

function makeDialog() {
  const image = h("img", {});
  const words = h("p", {});
  const element = h("dialog", { class: "picture-dialog", "aria-label": t("evidence.dialog") }, image,
    h("div", { class: "dialog-foot" }, words,
      h("button", { type: "button", onclick: () => element.close() }, t("evidence.close"))));
  element.addEventListener("click", (event) => {
    if (event.target === element) element.close();
  });
  return {
    element,
    open(url, text, takenAt) {
      image.src = url;
      image.alt = text;
      fill(words, `${text} · ${momentOf(takenAt)}`);
      element.showModal();
    },
  };
}
