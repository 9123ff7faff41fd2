// A camera's newest picture with what the agent sees in it, renewed while it is in view.

import { agentNow, ApiError, ConnectionError, get, getPicture } from "./api.js";
import { fill, h } from "./dom.js";
import { duration, t, timeOf } from "./i18n.js";
import { makeOverlay } from "./overlay.js";
import { poll } from "./poll.js";

const EVERY_MS = 2_000;
/** Age from which a picture is called old: the agent makes a new one about every two seconds while somebody asks. */
const OLD_MS = 10_000;

/**
 * {element, redraw(), close()}. `describe` names the camera; `onScene(scene)` hears what is in each new picture; `shown()` says which
 * of zones, boxes and cases of rules are drawn.
 */
export function makeLivePicture(camera, { describe, onScene = () => {}, shown = () => ({}) }) {
  const overlay = makeOverlay();
  const image = h("img", { class: "live-image", hidden: true, draggable: false });
  const waiting = h("p", { class: "live-waiting" }, t("picture.waiting"));
  const time = h("p", { class: "live-time" });
  const element = h("div", { class: "live" }, image, overlay.element, waiting, time);
  const path = `cameras/${encodeURIComponent(camera)}`;
  let takenAt = null;
  let url = null;
  let scene = null;
  let isInView = false;

  image.addEventListener("load", () => {
    const shape = image.naturalWidth / image.naturalHeight;
    element.style.aspectRatio = shape;
    element.style.setProperty("--shape", shape);
    image.hidden = false;
    waiting.hidden = true;
  });

  async function renew() {
    try {
      const [picture, newest] = await Promise.all([getPicture(`${path}/picture`), get(`${path}/scene`)]);
      show(picture);
      scene = newest;
      overlay.draw(scene, shown());
      onScene(scene);
    } catch (error) {
      if (!(error instanceof ApiError || error instanceof ConnectionError)) throw error;
      if (error.status === 503) fill(waiting, t("picture.none_yet"));
      else if (error instanceof ApiError) fill(waiting, error.message);
      if (error.retryAfterSecs) return error.retryAfterSecs * 1000;
    } finally {
      tellAge();
    }
    return EVERY_MS;
  }

  function show(picture) {
    if (picture.takenAt !== null && picture.takenAt === takenAt) return;
    takenAt = picture.takenAt;
    const old = url;
    url = URL.createObjectURL(picture.blob);
    image.src = url;
    image.alt = t("picture.alt", { camera: describe(), time: takenAt ? timeOf(takenAt) : "" });
    if (old) URL.revokeObjectURL(old);
  }

  function tellAge() {
    const age = takenAt === null ? 0 : agentNow() - takenAt;
    const isOld = age > OLD_MS;
    element.classList.toggle("is-old", isOld);
    if (takenAt !== null) {
      fill(time, isOld ? t("picture.old", { time: timeOf(takenAt), age: duration(age / 1000) }) : timeOf(takenAt));
    }
  }

  const loop = poll(renew, EVERY_MS, () => isInView);
  const observer = new IntersectionObserver((entries) => {
    isInView = entries[entries.length - 1].isIntersecting;
    if (isInView) loop.now();
  }, { rootMargin: "80px" });
  observer.observe(element);

  return {
    element,
    redraw: () => overlay.draw(scene, shown()),
    close() {
      loop.stop();
      observer.disconnect();
      if (url) URL.revokeObjectURL(url);
    },
  };
}
