// The two strips under the terms: β over the steps, and the KL of every latent dimension.

import { area, line } from "../vendor/d3.mjs";
import { each, label, set, shape, show, write } from "./nodes.mjs";
import { nats, tick, weight } from "./numbers.mjs";
import { heat } from "./palette.mjs";
import { COLUMN } from "./rows.mjs";

const PLANNED = new Set(["running", "paused"]);
const APART = 4; // pixels of a dimension's height from which a thin line parts it from the next

function allRows({ length }) {
  return Array.from({ length }, (_, row) => row);
}

// The schedule from now on, tied to the β of now, which a person may have moved, or is about to.
function ahead({ rows, meta, draft }) {
  const plan = meta.schedule ?? [];
  if (!rows.length) return plan;
  const now = [rows.lastStep, rows.value(rows.length - 1, COLUMN.beta)];
  if (draft) return [now, draft, [Infinity, draft[1]]];
  return [now, ...plan.filter(([step]) => step > now[0])];
}

// Cuts the plan where the axis ends.
function within(points, [, end]) {
  const next = points.findIndex(([step]) => step > end);
  if (next < 1) return next === 0 ? [] : points;
  const [[s0, b0], [s1, b1]] = [points[next - 1], points[next]];
  return [...points.slice(0, next), [end, s1 === Infinity ? b0 : b0 + ((b1 - b0) * (end - s0)) / (s1 - s0)]];
}

// Where the plan ahead of now can be taken hold of.
function drawKnob(mark, view, end, { x, betaScale, unit }) {
  const shown = canPlan(view) && end !== undefined;
  show(mark, shown);
  if (!shown) return;
  const [step, value] = view.draft && view.draft[0] <= x.domain()[1] ? view.draft : end;
  set(mark, { cx: x(step), cy: betaScale(value), r: 5 * unit });
}

/** Whether β ahead of now may be dragged: of a living run, at its newest step, where somebody listens. */
export function canPlan({ planned, state, replayed, rows }) {
  return planned && PLANNED.has(state) && !replayed && rows.length > 0;
}

function drawBeta(nodes, view, frame) {
  const { rows, at, pointed } = view;
  const { x, betaScale: y, left, unit, beta } = frame;
  const across = (row) => x(rows.step(row));
  const height = (row) => y(rows.value(row, COLUMN.beta));
  const drawn = allRows(rows);
  set(nodes.area, { d: area(across, beta.bottom, height)(drawn) ?? "" });
  set(nodes.line, { d: line(across, height)(drawn) ?? "" });
  const plan = within(ahead(view), x.domain());
  set(nodes.plan, { d: line(([step]) => x(step), ([, value]) => y(value))(plan) ?? "" });
  drawKnob(nodes.knob, view, plan.at(-1), frame);
  each(nodes.ticks, "text", "er-tick er-end", y.domain(), (mark, value) => write(mark, left - 8 * unit, y(value), tick(value)));
  const middle = (beta.top + beta.bottom) / 2;
  if (view.draft) return label(nodes.label, frame, middle, `β to ${weight(view.draft[1])}`);
  const row = pointed ? at : rows.length - 1;
  const words = row < 0 ? "β planned" : `β = ${weight(rows.value(row, COLUMN.beta))}`;
  label(nodes.label, frame, middle, words);
}

/** Makes the strip of β inside an svg and returns the function that draws it. */
export function betaStrip(svg) {
  const nodes = {
    area: shape(svg, "path", "er-beta-area"),
    plan: shape(svg, "path", "er-plan"),
    line: shape(svg, "path", "er-line er-beta"),
    ticks: shape(svg, "g"),
    label: shape(svg, "text", "er-label er-beta"),
    knob: shape(svg, "circle", "er-knob"),
  };
  return (view, frame) => drawBeta(nodes, view, frame);
}

// One column of pixels a pixel wide, one row of pixels a dimension; the browser stretches it to its height.
function paint(canvas, { rows, theme }, { x, left, right, order }) {
  const width = Math.max(1, Math.round(right - left));
  Object.assign(canvas, { width, height: Math.max(1, order.length) });
  const context = canvas.getContext("2d");
  const image = context.createImageData(canvas.width, canvas.height);
  const pixels = new Uint32Array(image.data.buffer);
  let next = 0;
  for (let column = 0; column < width; column += 1) {
    const step = x.invert(left + column + 1);
    while (next < rows.coded.length && rows.step(rows.coded[next]) <= step) next += 1;
    if (!next || step > rows.lastStep + x.domain()[1] / width) continue;
    const row = rows.coded[next - 1];
    order.forEach((dimension, place) => {
      const kl = rows.dimension(row, dimension);
      if (Number.isFinite(kl)) pixels[place * width + column] = heat(kl, theme);
    });
  }
  context.putImageData(image, 0, 0);
}

function place(canvas, { left, right, heat: { top, bottom } }) {
  Object.assign(canvas.style, { left: `${left}px`, top: `${top}px`, width: `${right - left}px`, height: `${bottom - top}px` });
}

function drawPartings(path, { rows }, { x, left, heat: { top, bottom }, order }) {
  const height = (bottom - top) / order.length;
  const end = x(rows.lastStep);
  const lines = height < APART || !rows.length ? [] : order.slice(1);
  set(path, { d: lines.map((_, index) => `M${left},${top + (index + 1) * height}H${end}`).join("") });
}

function drawPointed(mark, { rows, at, pointed }, { x, unit, heat: { top, bottom }, order }) {
  const known = at !== null && pointed?.place !== undefined;
  show(mark, known);
  if (!known) return;
  const height = Math.max(0, bottom - top) / order.length;
  set(mark, { x: x(rows.step(at)) - 5 * unit, width: 10 * unit, y: top + pointed.place * height, height });
}

function remark({ rows, at, pointed }, order) {
  const dimension = order[pointed?.place];
  if (at !== null && dimension !== undefined) return `z${dimension + 1}  ${nats(rows.dimension(at, dimension))} nats`;
  if (order.length < rows.dimensions) return `the ${order.length} largest`;
  return order.some((value, index) => value !== index) ? "largest first" : "";
}

function drawHeatWords(nodes, view, { left, right, unit, narrow, heat: { top, bottom }, order }) {
  const { rows, at } = view;
  const known = at !== null && Number.isFinite(rows.value(at, COLUMN.active));
  const middle = (top + bottom) / 2;
  const under = bottom + 37 * unit;
  const places = narrow
    ? [[left, under], [left + 56 * unit, under], [right - 92 * unit, under]]
    : [-18, 0, 18].map((shift) => [right + 12 * unit, middle + shift * unit]);
  const words = [known ? `${rows.value(at, COLUMN.active)} of ${rows.dimensions}` : "", known ? "latents in use" : "", known ? remark(view, order) : ""];
  [nodes.count, nodes.words, nodes.remark].forEach((mark, index) => write(mark, ...places[index], words[index]));
  write(nodes.kl, left - 8 * unit, middle - 9 * unit, rows.length ? "KL" : "");
  write(nodes.each, left - 8 * unit, middle + 9 * unit, rows.length ? "per z" : "");
}

/** Makes the strip of the KL per dimension over a canvas and returns the function that draws it. */
export function heatStrip(svg, canvas) {
  const nodes = {
    partings: shape(svg, "path", "er-partings"),
    pointed: shape(svg, "rect", "er-pointed"),
    count: shape(svg, "text", "er-label er-ink er-answer"),
    words: shape(svg, "text", "er-note er-answer"),
    remark: shape(svg, "text", "er-note er-kl er-answer"),
    kl: shape(svg, "text", "er-tick er-end er-kl"),
    each: shape(svg, "text", "er-tick er-end er-kl"),
  };
  return (view, frame) => {
    paint(canvas, view, frame);
    place(canvas, frame);
    drawPartings(nodes.partings, view, frame);
    drawPointed(nodes.pointed, view, frame);
    drawHeatWords(nodes, view, frame);
  };
}
