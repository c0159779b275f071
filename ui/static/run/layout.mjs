// Where everything in the figure stands: the ranges of its axes and the place of its three panels.

import { extent, max, median, min, scaleLinear } from "../vendor/d3.mjs";
import { tick } from "./numbers.mjs";
import { COLUMN } from "./rows.mjs";

const LIVING = new Set(["queued", "running", "paused", "stalled"]);
const SHORTEST = 100; // steps
const AHEAD = 1.12; // room for the planned β while a run lives
const BELOW = 0.15; // of the range, under the baseline
const FEW = 32; // dimensions that can be told apart; more are sorted by their KL
const MOST = 64; // dimensions that can be drawn

function lastStep({ rows, meta, state }) {
  if (!rows.length) return meta.steps;
  return LIVING.has(state) ? Math.min(meta.steps, rows.lastStep * AHEAD) : rows.lastStep;
}

// The first rows may leave below; a dip after the ELBO has come into sight may not, unless it is an abyss.
function lowest(elbo, edge, deepest) {
  const entered = elbo.findIndex((value) => value >= edge);
  const newest = elbo.at(-1);
  return entered < 0 ? newest : Math.min(newest, Math.max(deepest, min(elbo.slice(entered))));
}

function termsDomain({ rows, meta }) {
  const column = (name) => rows.test.map((row) => rows.value(row, COLUMN[name])).filter(Number.isFinite);
  const elbo = column("elbo");
  if (!elbo.length) return null;
  const base = meta.baseline ?? median(elbo);
  const best = Math.max(base, max(column("reconstruction")) ?? base);
  const range = Math.max(best - base, BELOW * Math.abs(base), 1);
  const edge = base - BELOW * range;
  const top = base + range;
  const bottom = Math.min(edge, lowest(elbo, edge, base - range));
  const margin = 0.05 * (top - bottom);
  return [bottom - margin, top + margin];
}

function fewTicks(scale, most) {
  for (let wanted = most; wanted > 0; wanted -= 1) {
    const ticks = scale.ticks(wanted);
    if (ticks.length <= most) return ticks;
  }
  return [];
}

// Steps of 1, 2, 4 or 5 times a power of ten: the finest that needs no more gridlines than allowed.
function gridValues([low, high], most) {
  const power = 10 ** Math.floor(Math.log10((high - low) / most));
  const step = [1, 2, 4, 5, 10, 20].map((factor) => factor * power)
    .find((size) => Math.floor(high / size) - Math.ceil(low / size) < most);
  const first = Math.ceil(low / step);
  return Array.from({ length: Math.floor(high / step) - first + 1 }, (_, index) => (first + index) * step);
}

function betaTop({ rows, meta }) {
  const seen = [];
  for (let row = 0; row < rows.length; row += 1) seen.push(rows.value(row, COLUMN.beta));
  return Math.max(1, extent(seen)[1] ?? 1, max(meta.schedule ?? [], ([, beta]) => beta) ?? 1);
}

// The dimensions that the strip draws, from top to bottom: in order when few, else the largest first.
function dimensionOrder({ rows, meta }) {
  const order = Array.from({ length: rows.dimensions || meta.latent || 0 }, (_, index) => index);
  if (order.length <= FEW || rows.newest === null) return order.slice(0, MOST);
  const kl = (index) => rows.dimension(rows.newest, index);
  return order.sort((one, other) => kl(other) - kl(one)).slice(0, MOST);
}

// From the bottom up: the axis and the strips take what they need, the terms take the rest.
function heights(height, unit, dimensions) {
  const heat = { bottom: height - 26 * unit };
  heat.top = heat.bottom - Math.max(56, Math.min(2 * 64, 9 * dimensions)) * unit;
  const beta = { bottom: heat.top - 14 * unit };
  beta.top = beta.bottom - 40 * unit;
  return { heat, beta, terms: { top: 4 * unit, bottom: beta.top - 20 * unit } };
}

/** The whole geometry of one drawing, for a box of so many pixels and the size of one unit in pixels. */
export function geometry(box, unit, view) {
  const order = dimensionOrder(view);
  const panels = heights(box.height, unit, order.length);
  const domain = termsDomain(view);
  const y = scaleLinear(domain ?? [0, 1], [panels.terms.bottom, panels.terms.top]);
  const yTicks = domain ? gridValues(domain, 4) : [];
  const widest = Math.max(4, ...yTicks.map((value) => tick(value).length));
  const left = (10 + 7.6 * widest) * unit;
  const right = box.width - 120 * unit;
  const x = scaleLinear([0, Math.max(SHORTEST, lastStep(view))], [left, right]);
  const xTicks = fewTicks(x, Math.max(2, Math.min(5, Math.floor((right - left) / (110 * unit)))));
  const beta = scaleLinear([0, betaTop(view)], [panels.beta.bottom, panels.beta.top]);
  return { ...box, ...panels, unit, order, left, right, x, y, yTicks, xTicks, betaScale: beta };
}
