// Small pieces that several views are made of.

import { ConnectionError } from "./api.js";
import { h } from "./dom.js";
import { t, word } from "./i18n.js";

const PHASE_LOOKS = {
  pending: "warn", open: "bad", clearing: "warn", closed: "none", stale: "none", muted: "none", dismissed: "none",
  withdrawn: "none",
};

/** A chip: a sign for the look (good, warn, bad, none) and a word, so that nothing is told by colour alone. */
export function chip(look, text) {
  return h("span", { class: `chip is-${look}` }, text);
}

/** How far a case or an incident has come. */
export function phaseChip(phase) {
  return chip(PHASE_LOOKS[phase] ?? "none", word("phase", phase));
}

/** Why a request came to nothing, in words. */
export function reasonOf(error) {
  return error instanceof ConnectionError ? t("connection.none") : error.message;
}

/** A term and its value for a `dl`; nothing if there is no value. */
export function fact(key, value) {
  return value ? h("div", {}, h("dt", {}, t(key)), h("dd", {}, value)) : null;
}
