// How a camera is, in chips.

import { t, word } from "./i18n.js";
import { chip } from "./parts.js";

const STATE_LOOKS = {
  online: "good", connecting: "warn", stalled: "warn", offline: "bad", unauthorised: "bad", disabled: "none",
};
/** What the camera is called by people. */
export function nameOf(camera) {
  return camera.name ?? camera.id;
}

/** Its connection and its picture's health; the latter only if something is wrong with it, or `all` is asked for. */
export function cameraChips(camera, { all = false } = {}) {
  const chips = [chip(STATE_LOOKS[camera.state] ?? "none", word("state", camera.state))];
  const isGood = camera.picture === null || camera.picture === "ok";
  if (!isGood) chips.push(chip("warn", word("picture_state", camera.picture)));
  else if (all && camera.picture !== null) chips.push(chip("good", word("picture_state", camera.picture)));
  if (all && camera.attention) chips.push(chip("none", word("attention", camera.attention)));
  return chips;
}

/** "3 open", or nothing. */
export function openWords(count) {
  return count > 0 ? chip("bad", t("camera.open", { n: count })) : null;
}

/** The address of a camera's page. */
export function cameraPath(id, rest = "") {
  return `#/cameras/${encodeURIComponent(id)}${rest}`;
}
