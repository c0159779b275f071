// Three panels over one axis, the share of the way: the norm of z, ln q(z), and how far the picture has changed.

import { ticks } from "../vendor/d3.mjs";
import { set, shape, write } from "../run/nodes.mjs";
import { tick } from "../run/numbers.mjs";
import { signedTwo, nats } from "./words.mjs";
import { NAMES } from "./walk_words.mjs";

const HEIGHT = 70; // of a panel
const GAP = 22; // above it, where its title stands
const EDGE = 6; // pixels from top and bottom, within which no gridline has room for its number
const LINE = 15; // of text: pixels that a name is high
const HALF = 28; // pixels from the middle of a name to its end
const BESIDE = [9, 12, 15]; // pixels between a line and the middle of its name, which a steep line needs more of
const CLOSE = 5; // pixels from its own line to the middle of a name, at least
const CLEAR = 30; // pixels from the other line, from which on it is not confused with it
const AXIS = 20;
const ASIDE = 34; // right of the panels, where the names begin
const PANELS = [
  { name: "norm", title: "norm of z", write: signedTwo, floor: true },
  { name: "density", title: "ln q(z), nats", write: nats },
  { name: "length", title: "change of the picture", write: nats, floor: true, least: 0.5, ends: true },
];

// A straight map from an interval of values onto the panel's height.
function scale(values, { floor = false, least = -Infinity }) {
  const known = values.filter(Number.isFinite);
  let [low, high] = [floor ? 0 : Math.min(...known), Math.max(least, ...known)];
  if (!(high - low > 1e-9)) [low, high] = [low - 0.5, high + 0.5];
  const room = 0.08 * (high - low);
  [low, high] = [floor ? 0 : low - room, high + room];
  const y = (value) => HEIGHT - ((value - low) / (high - low)) * HEIGHT;
  const fits = (value) => y(value) >= EDGE && (floor || y(value) <= HEIGHT - EDGE);
  return Object.assign(y, { ticks: ticks(low, high, 3).filter(fits).slice(0, 4) });
}

const path = (values, x, y) => values.map((value, step) => `${step ? "L" : "M"}${x(step / (values.length - 1)).toFixed(1)},${y(value).toFixed(1)}`).join("");

// Where the name of a line is read best: close to the line, away from the other one and from the names that stand.
function spot(own, other, taken, reach) {
  const from = (curve, at, step) => Math.min(...curve.slice(step - reach, step + reach + 1).map((value) => Math.abs(value - at)));
  let best = null;
  for (let step = reach; step < own.length - reach; step += 1) {
    if (Math.abs(step - (own.length - 1) / 2) < reach + 1) continue; // where the slider stands at first
    for (const at of BESIDE.flatMap((gap) => [own[step] - gap, own[step] + gap])) {
      const [near, far] = [Math.min(BESIDE[0], from(own, at, step)), Math.min(CLEAR, from(other, at, step))];
      const free = taken.every((name) => Math.abs(name.step - step) > 2 * reach || Math.abs(name.at - at) > LINE);
      if (!free || at < LINE / 2 || at > HEIGHT - LINE / 2 || near < CLOSE || far < LINE) continue;
      if (!best || near + far > best.room) best = { step, at, room: near + far };
    }
  }
  return best;
}

// Names of two lines: at their ends if these are apart, else beside each where there is room.
function names(group, lines, { x, right, narrow }, y, ends) {
  if (lines.length < 2) return;
  const curves = lines.map(({ values }) => values.map(y));
  const [one, other] = curves;
  if (ends && !narrow && Math.abs(one.at(-1) - other.at(-1)) >= LINE) {
    lines.forEach(({ kind }, index) => write(shape(group, "text", "wk-name"), right + ASIDE, curves[index].at(-1), NAMES[kind]));
    return;
  }
  const reach = Math.ceil((HALF * (one.length - 1)) / (x(1) - x(0)));
  const taken = [];
  lines.forEach(({ kind }, index) => {
    const found = spot(curves[index], curves[1 - index], taken, reach);
    if (!found) return;
    taken.push(found);
    write(shape(group, "text", "wk-name", { "text-anchor": "middle" }), x(found.step / (one.length - 1)), found.at, NAMES[kind]);
  });
}

// What is usual: a band with its name, and a line with its.
function usual(group, { band, line }, { left, right, narrow }, y) {
  const label = (text, at) => write(shape(group, "text", "wk-label"), narrow ? left + 4 : right + ASIDE, at, text);
  const places = [];
  if (band) {
    const [top, bottom] = [Math.max(0, y(band.high)), Math.min(HEIGHT, y(band.low))];
    set(shape(group, "rect", "wk-band"), { x: left, y: top, width: right - left, height: Math.max(0, bottom - top) });
    places.push([band.words, (top + bottom) / 2]);
  }
  if (line) {
    set(shape(group, "path", "wk-usual"), { d: `M${left},${y(line.value)}H${right}` });
    places.push([line.words, y(line.value)]);
  }
  if (places.length === 2 && Math.abs(places[0][1] - places[1][1]) < 14) {
    const way = places[0][1] > places[1][1] ? 1 : -1;
    places[0][1] = places[1][1] + 14 * way;
  }
  for (const [words, at] of narrow ? places.slice(0, 1) : places) label(words, Math.max(7, Math.min(HEIGHT - 7, at)));
}

/** The drawing; `draw(state)` writes the lines, `point(share, readings)` moves what follows the slider. */
export function createCharts(parent) {
  const svg = shape(parent, "svg", "wk-charts", { role: "img" });
  let place = null;
  let parts = [];

  function panel({ name, title, ends, ...range }, index, state) {
    const lines = state.paths.filter((one) => one[name]).map(({ kind, ...one }) => ({ kind, values: one[name] }));
    const group = shape(svg, "g", "", { transform: `translate(0,${index * (HEIGHT + GAP) + GAP})` });
    const head = shape(group, "text", "wk-title");
    if (!lines.length) {
      write(head, place.left, -8, `${title}: ${state.why[name] ?? "…"}`);
      return null;
    }
    const { band, line } = state.usual[name] ?? {};
    const extra = [band && band.low, band && band.high, line && line.value].filter(Number.isFinite);
    const y = scale([...lines.flatMap(({ values }) => values), ...extra], range);
    for (const value of y.ticks) {
      set(shape(group, "path", "wk-grid"), { d: `M${place.left},${y(value)}H${place.right}` });
      write(shape(group, "text", "wk-tick"), place.left - 8, y(value), tick(value));
    }
    usual(group, { band, line }, place, y);
    const sorted = [...lines].sort((one) => (one.kind === state.kind ? 1 : -1)); // the chosen one on top
    for (const { kind, values } of sorted) set(shape(group, "path", `wk-line wk-${kind}`), { d: path(values, place.x, y), "data-chosen": kind === state.kind });
    names(group, lines, place, y, ends);
    return { head, title, y, dot: shape(group, "circle", "wk-dot", { r: 4 }), name };
  }

  function foot(bottom) {
    for (const share of [0, 0.25, 0.5, 0.75, 1]) {
      write(shape(svg, "text", "wk-tick wk-share"), place.x(share), bottom + 11, { 0: "A", 1: "B" }[share] ?? `${100 * share} %`);
    }
  }

  return {
    svg,
    draw(state, where) {
      place = where;
      svg.replaceChildren();
      const bottom = PANELS.length * (HEIGHT + GAP);
      set(svg, { viewBox: `0 0 ${where.width} ${bottom + AXIS}`, width: where.width, height: bottom + AXIS, "aria-label": state.words });
      parts = PANELS.map((one, index) => panel(one, index, state)).map((part, index) => part && { ...part, write: PANELS[index].write });
      foot(bottom);
      this.cursor = shape(svg, "path", "wk-cursor");
    },
    point(share, readings) {
      if (!place) return;
      const bottom = PANELS.length * (HEIGHT + GAP);
      set(this.cursor, { d: `M${place.x(share).toFixed(1)},${GAP}V${bottom}` });
      for (const part of parts) {
        if (!part || !Number.isFinite(readings[part.name])) continue;
        set(part.dot, { cx: place.x(share), cy: part.y(readings[part.name]) });
        write(part.head, place.left, -8, `${part.title}: ${part.write(readings[part.name])}`);
      }
    },
  };
}
