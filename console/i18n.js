// The page's own words in the reader's language, and times, durations and numbers as that language writes them.

const LANGUAGES = ["en", "zh"];
const KEPT_AS = "curbwatch.language";

let language = "en";
let texts = {};
let timeZone;

/** Loads the words of the language that was chosen before, or else of the browser's. */
export async function loadLanguage() {
  await setLanguage(kept() ?? (navigator.languages.some((tag) => tag.toLowerCase().startsWith("zh")) ? "zh" : "en"));
}

/** Loads the words of a language; from then on `t` speaks it. */
export async function setLanguage(wanted) {
  const response = await fetch(`${wanted}.json`);
  texts = await response.json();
  language = wanted;
  document.documentElement.lang = wanted === "zh" ? "zh-CN" : "en-GB";
}

/** The same, by the reader's own choice, which is kept. */
export async function chooseLanguage(wanted) {
  await setLanguage(wanted);
  try {
    localStorage.setItem(KEPT_AS, wanted);
  } catch {
    // A browser that keeps nothing asks its own settings the next time.
  }
}

/** The language spoken now: "en" or "zh". */
export function currentLanguage() {
  return language;
}

/** The agent's time zone, in which every time is written. */
export function setTimeZone(name) {
  timeZone = name;
}

/** The text of a key, with `{name}` replaced. */
export function t(key, values = {}) {
  const text = texts[key] ?? key;
  return text.replace(/\{(\w+)\}/g, (whole, name) => values[name] ?? whole);
}

/** The text of a word of the agent's, such as a state; a word that the page does not know stands for itself. */
export function word(group, value) {
  return texts[`${group}.${value}`] ?? String(value).replaceAll("_", " ");
}

/** A time of day with seconds. */
export function timeOf(time) {
  return format(time, { timeStyle: "medium" });
}

/** A day, written out. */
export function dayOf(time) {
  return format(time, { dateStyle: "full" });
}

/** Day and time. */
export function momentOf(time) {
  return format(time, { dateStyle: "medium", timeStyle: "medium" });
}

/** Seconds as a person says them: 42 s, 3 min 5 s, 2 h 10 min. */
export function duration(seconds) {
  const whole = Math.max(0, Math.round(seconds));
  const parts = [[Math.floor(whole / 86400), "unit.d"], [Math.floor(whole / 3600) % 24, "unit.h"],
    [Math.floor(whole / 60) % 60, "unit.min"], [whole % 60, "unit.s"]];
  const first = parts.findIndex(([count]) => count > 0);
  if (first < 0) return t("unit.s", { n: 0 });
  return parts.slice(first, first + 2).filter(([count]) => count > 0).map(([n, key]) => t(key, { n })).join(" ");
}

/** A number with at most `digits` behind the point; of one below 1, two digits that say something. */
export function number(value, digits = 1) {
  const precision = Math.abs(value) < 1 && digits > 0 ? { maximumSignificantDigits: 2 } : { maximumFractionDigits: digits };
  return new Intl.NumberFormat(document.documentElement.lang, precision).format(value);
}

function format(time, options) {
  const date = new Date(time);
  if (Number.isNaN(date.getTime())) return "";
  try {
    return new Intl.DateTimeFormat(document.documentElement.lang, { ...options, timeZone }).format(date);
  } catch {
    // A browser that does not know the agent's zone writes its own.
    return new Intl.DateTimeFormat(document.documentElement.lang, options).format(date);
  }
}

function kept() {
  try {
    const value = localStorage.getItem(KEPT_AS);
    return LANGUAGES.includes(value) ? value : null;
  } catch {
    return null;
  }
}
