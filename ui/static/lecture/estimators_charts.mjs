// Charts of estimators: rows of their estimates over one axis, and what becomes of their noise with more samples.

import { set, shape, write } from "../run/nodes.mjs";
import { apart, logarithmic, panel, straight } from "./axes.mjs";
import { CLASSES, NAMES } from "./estimators_maths.mjs";
import { raiseAll, short } from "./numerals.mjs";

const BINS = 81;
const LOW = 42; // pixels under a chart, for its numbers and the name of its axis
const SIDE = 104; // pixels right of a chart, for the names of its lines

/** Rows of { name, values, note }, each drawn as a histogram of its own height; `marks` are vertical lines { at, words }. */
export function drawRows(svg, { left, top, width, height, rows, range, marks, name }) {
  const x = straight(range, [left, left + width]);
  const plot = panel(svg, { left, top, width, height: height - LOW }, x, straight([0, 1], [top + height - LOW, top]));
  plot.along({ count: Math.min(7, Math.floor(width / 60)), name });
  const each = (height - LOW) / rows.length;
  for (const { at, words, strong } of marks) {
    set(shape(plot.group, "path", strong ? "lx-line lx-thin" : "lx-grid"), { d: `M${x(at)},${top - 4}V${plot.bottom}` });
    write(shape(plot.group, "text", `lx-label lx-middle ${strong ? "" : "lx-quiet"}`), x(at), top - 14, words);
  }
  rows.forEach((row, index) => drawRow(plot, row, x, top + (index + 1) * each, each));
  raiseAll(plot.group);
}

function drawRow({ group, left, right }, { estimator, values, note }, x, bottom, height) {
  set(shape(group, "path", "lx-grid"), { d: `M${left},${bottom}H${right}` });
  write(shape(group, "text", "lx-label"), left, bottom - height + 12, NAMES[estimator]);
  const words = shape(group, "text", "lx-label lx-quiet lx-end");
  write(words, right, bottom - height + 12, note);
  if (!values) return;
  const [low, high] = x.domain;
  const counts = new Float64Array(BINS);
  for (const value of values) {
    const bin = Math.floor(((value - low) / (high - low)) * BINS);
    if (bin >= 0 && bin < BINS) counts[bin] += 1;
  }
  const most = Math.max(1, ...counts);
  const room = height - 26;
  const wide = (right - left) / BINS;
  const path = [...counts].map((count, bin) => (count ? `M${(left + bin * wide).toFixed(1)},${bottom}v${(-(room * count) / most).toFixed(1)}h${wide.toFixed(1)}V${bottom}` : "")).join("");
  set(shape(group, "path", estimator === "pathwise" ? "lx-bar" : "lx-soft"), { d: path });
}

/** Lines of { estimator, points: [samples, exact or null, measured or null] } over the number of samples, both axes logarithmic.
    Where no value is above zero, they are ratios to a gradient of zero. */
export function drawNoise(svg, { left, top, width, height, lines, name, chosen, samples, ticks = samples }) {
  const all = lines.flatMap(({ points }) => points.flatMap(([, exact, measured]) => [exact, measured])).filter(seen);
  if (!all.length) return write(shape(svg, "text", "lx-label lx-quiet lx-middle"), left + width / 2, top + height / 2, "the gradient is 0 here: all is noise");
  const [low, high] = [Math.min(...all), Math.max(...all)];
  const box = { left, top, width: width - SIDE, height: height - LOW };
  const x = logarithmic([samples[0], samples.at(-1)], [left, left + box.width]);
  const y = logarithmic([low / 1.5, high * 1.5], [top + box.height, top]);
  y.ticks = thinned(y.ticks());
  x.ticks = () => ticks;
  const plot = panel(svg, box, x, y);
  plot.across({ words: short, name });
  plot.along({ name: "codes S" });
  if (chosen) set(shape(plot.group, "path", "lx-grid"), { d: `M${x(chosen)},${top}V${plot.bottom}` });
  for (const { estimator, points } of lines) {
    plot.line(points.filter(([, exact]) => exact !== null).map(([s, exact]) => [s, exact]), CLASSES[estimator]);
    for (const [s, , measured] of points) if (seen(measured)) plot.circle(s, measured, 3.5, estimator === "pathwise" ? "lx-bar" : "lx-dot");
  }
  const ends = lines.map(({ points }) => Math.max(top, Math.min(plot.bottom, y(points.at(-1)[1] ?? points.at(-1)[2]))));
  apart(ends, 17).forEach((at, index) => {
    const { estimator } = lines[index];
    write(shape(plot.group, "text", `lx-label ${estimator === "pathwise" ? "lx-strong" : ""}`), plot.right + 10, at, NAMES[estimator]);
  });
  raiseAll(plot.group);
}

// What has a place on a logarithmic axis.
const seen = (value) => value > 0 && Number.isFinite(value);

// Powers of ten, at most five of them.
function thinned(powers) {
  const step = Math.ceil(powers.length / 5);
  return () => powers.filter((_, index) => index % step === 0);
}
