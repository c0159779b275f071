// Where everything in the figure stands: the ranges of its axes and the place of its three panels.

import { extent, max, median, min, ticks } from "../vendor/d3.mjs";
import { tick } from "./numbers.mjs";
import { COLUMN } from "./rows.mjs";

const LIVING = new Set(["queued", "running", "paused", "stalled"]);
const SHORTEST = 100; // steps
const AHEAD = 1.15; // room for the planned β while a run lives
const BELOW = 0.15; // of the range, under the baseline
const HEAT_SHARE = 0.2; // of the whole height, at most
const BETA_SHARE = 0.1;
const NARROW = 400; // units of width under which the labels move into the panels
const FEW = 32; // dimensions that can be told apart; more are sorted by their KL
const MOST = 64; // dimensions that can be drawn

// A straight map from an interval of values onto one of pixels, with its way back.
function linear(domain, [from, to]) {
  const [low, high] = domain;
  const slope = (to - from) / (high - low || 1);
  return Object.assign((value) => from + slope * (value - low), {
    domain: () => domain, invert: (pixel) => low + (pixel - from) / slope,
  });
}

function lastStep({ rows, meta, state, replayed }) {
  if (!rows.length) return meta.steps;
  return LIVING.has(state) && !replayed ? Math.min(meta.steps, rows.lastStep * AHEAD) : rows.lastStep;
}

// The first rows may leave below; a dip after the ELBO has come into sight may not, unless it is an abyss.
function lowest(elbo, edge, deepest) {
  const entered = elbo.findIndex((value) => value >= edge);
  const newest = elbo.at(-1);
  return entered < 0 ? newest : Math.min(newest, Math.max(deepest, min(elbo.slice(entered))));
}

function termsDomain({ all: rows, meta }) {
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
    const found = ticks(...scale.domain(), wanted);
    if (found.length <= most) return found;
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

function betaTop({ all: rows, meta }) {
  const seen = [];
  for (let row = 0; row < rows.length; row += 1) seen.push(rows.value(row, COLUMN.beta));
  return Math.max(1, extent(seen)[1] ?? 1, max(meta.schedule ?? [], ([, beta]) => beta) ?? 1);
}

// The dimensions that the strip draws, from top to bottom: in order when few, else the largest first.
function dimensionOrder({ all: rows, meta }) {
  const order = Array.from({ length: rows.dimensions || meta.latent || 0 }, (_, index) => index);
  if (order.length <= FEW || rows.newest === null) return order.slice(0, MOST);
  const kl = (index) => rows.dimension(rows.newest, index);
  return order.sort((one, other) => kl(other) - kl(one)).slice(0, MOST);
}

// From the bottom up: the axis and the strips take what they need, but no more than their share; the terms take the rest.
function heights(height, unit, dimensions, narrow) {
  const heat = { bottom: Math.max(0, height - (narrow ? 48 : 26) * unit) };
  heat.top = heat.bottom - Math.min(HEAT_SHARE * height, Math.max(56, Math.min(128, 9 * dimensions)) * unit);
  const beta = { bottom: heat.top - 11 * unit };
  beta.top = beta.bottom - Math.min(40 * unit, BETA_SHARE * height);
  const top = 4 * unit;
  return { heat, beta, terms: { top, bottom: Math.max(top, beta.top - 16 * unit) } };
}

/** The ranges that a run needs: of its terms in all its rows, of the steps shown, of β. */
export function spread(view) {
  return { terms: termsDomain(view), steps: lastStep(view), beta: betaTop(view) };
}

/** The ranges that hold for all runs of a figure, so that they can be compared. */
export function union(spreads) {
  const terms = extent(spreads.flatMap((spread) => spread.terms ?? []));
  return {
    terms: terms[0] === undefined ? null : terms,
    steps: max(spreads, ({ steps }) => steps),
    beta: max(spreads, ({ beta }) => beta),
  };
}

/** The whole geometry of one drawing, for a box of so many pixels in which a unit has so many. */
export function geometry(box, view) {
  const { unit } = box;
  const order = dimensionOrder(view);
  const narrow = box.width < NARROW * unit;
  const panels = heights(box.height, unit, order.length, narrow);
  const domain = view.scale.terms;
  const y = linear(domain ?? [0, 1], [panels.terms.bottom, panels.terms.top]);
  const yTicks = domain ? gridValues(domain, 4) : [];
  const widest = Math.max(4, ...yTicks.map((value) => tick(value).length));
  const left = (10 + 7.6 * widest) * unit;
  const right = box.width - (narrow ? 8 : 120) * unit;
  const x = linear([0, Math.max(SHORTEST, view.scale.steps)], [left, right]);
  const xTicks = fewTicks(x, Math.max(2, Math.min(5, Math.floor((right - left) / ((narrow ? 84 : 60) * unit)))));
  const beta = linear([0, view.scale.beta], [panels.beta.bottom, panels.beta.top]);
  return { ...box, ...panels, narrow, order, left, right, x, y, yTicks, xTicks, betaScale: beta };
}
