// The three panels on their one axis of steps, and the cursor that runs through them.

import { geometry } from "./layout.mjs";
import { each, node, set, shape, show, write } from "./nodes.mjs";
import { count } from "./numbers.mjs";
import { betaStrip, heatStrip } from "./strips.mjs";
import { termsPanel } from "./terms.mjs";

// Of a number in tabular figures, in units; commas are narrow.
function halfWidth(text) {
  return [...text].reduce((sum, letter) => sum + (letter === "," ? 1.9 : 4.1), 0);
}

function axis(svg) {
  const ticks = shape(svg, "g");
  const unitWord = shape(svg, "text", "er-tick");
  return (view, { xTicks, x, heat, unit }) => {
    const height = heat.bottom + 15 * unit;
    const cursor = view.pointed ? x(view.rows.step(view.at)) : NaN;
    each(ticks, "text", "er-tick er-middle", xTicks, (mark, step) => {
      write(mark, x(step), height, count(step));
      show(mark, !(Math.abs(x(step) - cursor) < 46 * unit));
    });
    const after = x(xTicks.at(-1)) + unit * (5 + halfWidth(count(xTicks.at(-1))));
    write(unitWord, after, height, "steps");
    show(unitWord, !(Math.abs(after + 18 * unit - cursor) < 46 * unit));
  };
}

function hairline(svg) {
  const group = shape(svg, "g");
  const line = shape(group, "line", "er-hairline");
  const label = shape(group, "text", "er-tick er-middle er-halo er-ink er-strong");
  return ({ rows, at, pointed }, { x, terms, heat, unit }) => {
    show(group, Boolean(pointed) && at !== null);
    if (!pointed || at === null) return;
    const place = x(rows.step(at));
    set(line, { x1: place, x2: place, y1: terms.top, y2: heat.bottom });
    write(label, place, heat.bottom + 15 * unit, count(rows.step(at)));
  };
}

// The step under the pointer, and the place of the dimension where it is over that strip.
function under(event, svg, { x, heat, order }) {
  const box = svg.getBoundingClientRect();
  const share = (event.clientY - box.top - heat.top) / (heat.bottom - heat.top);
  const inside = share >= 0 && share < 1 && order.length > 0;
  return { step: x.invert(event.clientX - box.left), place: inside ? Math.floor(share * order.length) : undefined };
}

const KEYS = { ArrowLeft: -1, ArrowRight: 1, Escape: 0, Home: -Infinity, End: Infinity };

function listen(svg, currentFrame, { onPoint, onMove, onLeave }) {
  const point = (event) => currentFrame() && onPoint(under(event, svg, currentFrame()));
  svg.addEventListener("pointermove", point);
  svg.addEventListener("pointerdown", point);
  svg.addEventListener("pointerleave", onLeave);
  svg.addEventListener("keydown", (event) => {
    if (!(event.key in KEYS) || event.altKey || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    if (KEYS[event.key] === 0) onLeave();
    else onMove(KEYS[event.key]);
  });
}

/** Builds the panels inside an element; `draw(view, description)` brings them up to date. */
export function createPlot(parent, handlers) {
  const box = node(parent, "div", "er-plot");
  const canvas = node(box, "canvas", "er-heat");
  const svg = shape(box, "svg", "er-panels", { role: "img", tabindex: 0 });
  const parts = [termsPanel(svg), betaStrip(svg), heatStrip(svg, canvas), axis(svg), hairline(svg)];
  let frame = null;
  listen(svg, () => frame, handlers);
  return {
    box,
    draw(view, description) {
      const size = { width: box.clientWidth, height: box.clientHeight };
      if (!size.width || !size.height) return;
      frame = geometry(size, parseFloat(getComputedStyle(box).fontSize) / 16, view);
      set(svg, { viewBox: `0 0 ${size.width} ${size.height}`, "aria-label": description });
      parts.forEach((draw) => draw(view, frame));
    },
  };
}
