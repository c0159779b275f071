// The upper panel: reconstruction and ELBO as lines, and between them, filled, the KL.

import { area, line } from "../vendor/d3.mjs";
import { each, label, set, shape, show, write } from "./nodes.mjs";
import { nats, tick } from "./numbers.mjs";
import { COLUMN } from "./rows.mjs";

const ROLES = ["reconstruction", "elbo"];
const WORDS = { reconstruction: "Reconstruction", kl: "KL", elbo: "ELBO" };
let clips = 0;

// A rectangle that clips; its identity is unique in the page, for there may be several figures.
function clipping(svg) {
  const id = `er-clip-${clips += 1}`;
  const rectangle = shape(shape(svg, "clipPath", "", { id }), "rect");
  return { rectangle, reference: `url(#${id})` };
}

function curve(view, frame, role) {
  const { rows } = view;
  return line((row) => frame.x(rows.step(row)), (row) => frame.y(rows.value(row, COLUMN[role])))
    .defined((row) => Number.isFinite(rows.value(row, COLUMN[role])));
}

function band({ rows }, { x, y }) {
  return area(
    (row) => x(rows.step(row)),
    (row) => y(rows.value(row, COLUMN.elbo)),
    (row) => y(rows.value(row, COLUMN.reconstruction)),
  ).defined((row) => Number.isFinite(rows.value(row, COLUMN.kl)));
}

function drawGrid(nodes, view, { yTicks, y, left, right, unit }) {
  each(nodes.grid, "line", "er-grid", yTicks, (mark, value) => {
    set(mark, { x1: left, x2: right, y1: y(value), y2: y(value) });
  });
  each(nodes.ticks, "text", "er-tick er-end", yTicks, (mark, value) => {
    write(mark, left - 8 * unit, y(value), tick(value));
  });
}

// Whether a line runs through the place above the dots where the baseline's label stands.
function crossed({ rows }, { x, y, right, unit }, height) {
  const inside = (row, role) => {
    const above = height - y(rows.value(row, COLUMN[role]));
    return above > 5 * unit && above < 28 * unit;
  };
  return rows.test.some((row) => x(rows.step(row)) > right - 200 * unit && ROLES.some((role) => inside(row, role)));
}

function drawBaseline(nodes, view, frame) {
  const { meta, rows } = view;
  const { y, left, right, unit } = frame;
  const known = Number.isFinite(meta.baseline) && rows.newest !== null;
  show(nodes.baseline, known);
  show(nodes.baselineText, known);
  if (!known) return;
  const height = y(meta.baseline);
  set(nodes.baseline, { x1: left, x2: right, y1: height, y2: height });
  const side = crossed(view, frame, height) ? 1 : -1;
  write(nodes.baselineText, right - (frame.narrow ? 130 : 2) * unit, height + side * 13 * unit, `a model that ignores z ${nats(meta.baseline)}`);
}

function drawLines(nodes, view, frame) {
  const { left, right, terms } = frame;
  set(nodes.clip, { x: left, y: terms.top, width: right - left + 4, height: terms.bottom - terms.top });
  set(nodes.band, { d: band(view, frame)(view.rows.test) ?? "" });
  for (const role of ROLES) {
    const path = curve(view, frame, role);
    set(nodes[role], { d: path(view.rows.test) ?? "" });
    set(nodes[`${role}Train`], { d: (view.showTrain && path(view.rows.train)) || "" });
  }
}

function drawDots(nodes, { rows, at }, { x, y, unit, terms }) {
  for (const role of ROLES) {
    const height = at === null ? NaN : y(rows.value(at, COLUMN[role]));
    show(nodes[`${role}Dot`], height <= terms.bottom);
    if (height <= terms.bottom) set(nodes[`${role}Dot`], { cx: x(rows.step(at)), cy: height, r: 4.5 * unit });
  }
}

// KL stands in the middle of its band; the two others keep their distance from it. Inside a panel they leave the lines free.
function labelHeights({ rows }, row, { y, terms, unit, narrow }) {
  const [upper, lower] = ROLES.map((role) => y(rows.value(row, COLUMN[role])));
  const middle = (upper + lower) / 2;
  const half = Math.abs(lower - upper) / 2;
  const thin = half < 10 * unit;
  if (narrow) return { reconstruction: upper - (thin ? 28 : 14) * unit, kl: middle - (thin ? 12 * unit : 0), elbo: lower + 14 * unit };
  const reach = Math.max(18 * unit, half);
  const shift = Math.min(0, terms.bottom - (middle + reach));
  return { reconstruction: middle - reach + shift, kl: middle + shift, elbo: middle + reach + shift };
}

function drawLabels(nodes, view, frame) {
  const { rows } = view;
  const row = rows.test.findLast((test) => ROLES.every((role) => Number.isFinite(rows.value(test, COLUMN[role]))));
  show(nodes.labels, row !== undefined);
  if (row === undefined) return;
  const heights = labelHeights(view, row, frame);
  for (const role of Object.keys(WORDS)) {
    label(nodes[`${role}Label`], frame, heights[role], WORDS[role]);
  }
}

/** Makes the panel inside an svg and returns the function that draws it. */
export function termsPanel(svg) {
  const clip = clipping(svg);
  const nodes = { clip: clip.rectangle, grid: shape(svg, "g"), ticks: shape(svg, "g") };
  nodes.baseline = shape(svg, "line", "er-baseline");
  const clipped = shape(svg, "g", "", { "clip-path": clip.reference });
  nodes.band = shape(clipped, "path", "er-band");
  for (const role of ROLES) nodes[`${role}Train`] = shape(clipped, "path", `er-line er-train er-${role}`);
  for (const role of ROLES) nodes[role] = shape(clipped, "path", `er-line er-${role}`);
  nodes.baselineText = shape(svg, "text", "er-note er-end er-halo");
  for (const role of ROLES) nodes[`${role}Dot`] = shape(svg, "circle", `er-dot er-${role}`);
  nodes.labels = shape(svg, "g");
  for (const role of Object.keys(WORDS)) nodes[`${role}Label`] = shape(nodes.labels, "text", `er-label er-${role}`);
  const parts = [drawGrid, drawBaseline, drawLines, drawDots, drawLabels];
  return (view, frame) => parts.forEach((draw) => draw(nodes, view, frame));
}
