// A line chart of one series over time, with a table that says the same.

import { h, svg } from "./dom.js";
import { number, t, timeOf } from "./i18n.js";

const WIDTH = 320;
const HEIGHT = 96;
/** Rows of the table: enough to follow the course by ear. */
const ROWS = 12;

/** `at`: times; `series`: {name, unit, values}, null where nothing was measured. */
export function makeChart(title, at, series) {
  const { factor, digits, unit } = scaleOf(series);
  const values = series.values.map((value) => (value === null ? null : value * factor));
  const measured = values.filter((value) => value !== null);
  const last = measured.length ? say(measured[measured.length - 1]) : t("chart.nothing");
  const top = niceTop(Math.max(0, ...measured));

  function say(value) {
    return `${number(value, digits)}${unit ? ` ${unit}` : ""}`;
  }

  const drawing = svg("svg", { class: "chart", viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "none", "aria-hidden": "true" },
    [0, 0.5, 1].map((share) => svg("line", { class: "grid", x1: 0, x2: WIDTH, y1: yOf(share), y2: yOf(share) })),
    segments(values, top).map((points) => [
      svg("polygon", { class: "area", points: `${points[0][0]},${yOf(0)} ${join(points)} ${points[points.length - 1][0]},${yOf(0)}` }),
      svg("polyline", { class: "line", points: join(points) }),
    ]));
  return h("figure", { class: "chart-box", "data-series": series.name },
    h("figcaption", {}, h("span", {}, title), h("strong", {}, last)),
    h("div", { class: "chart-plot" }, drawing, h("span", { class: "chart-top", "aria-hidden": "true" }, say(top))),
    h("p", { class: "chart-times", "aria-hidden": "true" },
      h("span", {}, at.length ? timeOf(at[0]) : ""), h("span", {}, at.length ? timeOf(at[at.length - 1]) : "")),
    h("details", {}, h("summary", {}, t("chart.table")), table(title, at, values, say)));
}

function table(title, at, values, say) {
  const step = Math.max(1, Math.ceil(values.length / ROWS));
  const rows = values.map((value, index) => [at[index], value]).filter((_, index) => (values.length - 1 - index) % step === 0);
  return h("table", {}, h("caption", { class: "visually-hidden" }, title),
    h("thead", {}, h("tr", {}, h("th", { scope: "col" }, t("chart.time")), h("th", { scope: "col" }, t("chart.value")))),
    h("tbody", {}, rows.map(([time, value]) =>
      h("tr", {}, h("td", {}, timeOf(time)), h("td", {}, value === null ? t("chart.nothing") : say(value))))));
}

/** Runs of points between gaps. */
function segments(values, top) {
  const runs = [];
  let run = [];
  values.forEach((value, index) => {
    if (value === null) {
      if (run.length) runs.push(run);
      run = [];
      return;
    }
    run.push([(index / Math.max(1, values.length - 1)) * WIDTH, yOf(value / top)]);
  });
  if (run.length) runs.push(run);
  // A single measurement between two gaps is a short stroke.
  return runs.map((points) => (points.length > 1 ? points : [points[0], [points[0][0] + 1, points[0][1]]]));
}

function yOf(share) {
  return HEIGHT - 2 - share * (HEIGHT - 4);
}

function join(points) {
  return points.map(([x, y]) => `${x.toFixed(1)},${y.toFixed(1)}`).join(" ");
}

/** The next of 1, 2, 5, 10 … at or above the largest value. */
function niceTop(largest) {
  if (largest <= 0) return 1;
  const power = 10 ** Math.floor(Math.log10(largest));
  return [1, 2, 5, 10].map((step) => step * power).find((step) => step >= largest * 0.999);
}

/** How values of a unit are written. */
function scaleOf(series) {
  switch (series.unit) {
    case "ratio": return { factor: 100, digits: 0, unit: "%" };
    case "bytes": return { factor: 1 / (1 << 20), digits: 0, unit: "MiB" };
    case "messages": return { factor: 1, digits: 0, unit: "" };
    case "frames/s": return { factor: 1, digits: 2, unit: t("unit.per_s") };
    default: return { factor: 1, digits: 1, unit: series.unit };
  }
}
