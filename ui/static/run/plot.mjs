// The three panels on their one axis of steps, and the cursor that runs through them.

import { geometry } from "./layout.mjs";
import { each, node, set, shape, show, write } from "./nodes.mjs";
import { count } from "./numbers.mjs";
import { COLUMN } from "./rows.mjs";
import { betaStrip, canPlan, heatStrip } from "./strips.mjs";
import { termsPanel } from "./terms.mjs";

const DRAFT_STAYS = 2000; // ms until the plan that was asked for has come back as the run's own

const WORD = 36; // units that "steps" takes

// Of a number in tabular figures, in units; commas are narrow.
function halfWidth(text) {
  return [...text].reduce((sum, letter) => sum + (letter === "," ? 1.9 : 4.1), 0);
}

function axis(svg) {
  const ticks = shape(svg, "g");
  const unitWord = shape(svg, "text", "er-tick er-middle");
  return (view, { xTicks, x, heat, unit, width }) => {
    const height = heat.bottom + 15 * unit;
    const cursor = view.pointed ? x(view.rows.step(view.at)) : NaN;
    each(ticks, "text", "er-tick er-middle", xTicks, (mark, step) => {
      write(mark, x(step), height, count(step));
      show(mark, !(Math.abs(x(step) - cursor) < 46 * unit));
    });
    // After the last number; where there is no room, before it.
    const beside = unit * (5 + halfWidth(count(xTicks.at(-1))));
    const fits = x(xTicks.at(-1)) + beside + WORD * unit < width;
    const middle = x(xTicks.at(-1)) + (fits ? 1 : -1) * (beside + (WORD / 2) * unit);
    write(unitWord, middle, height, "steps");
    show(unitWord, !(Math.abs(middle - cursor) < 46 * unit));
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

function listen(svg, now, { onPoint, onMove, onLeave }) {
  const point = (event) => {
    const found = now() && under(event, svg, now().frame);
    if (found) onPoint(found.step, found.place);
  };
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

// The point (step, β) under the pointer, where β ahead of now can be dragged.
function planned(event, svg, { view, frame }) {
  const box = svg.getBoundingClientRect();
  const [from, to] = [view.rows.lastStep + 1, view.meta.steps];
  const step = Math.round(Math.max(from, Math.min(to, frame.x.invert(event.clientX - box.left))));
  const [low, high] = frame.betaScale.domain();
  const value = Math.max(low, Math.min(Math.max(high, 2), frame.betaScale.invert(event.clientY - box.top)));
  return [step, Math.round(100 * value) / 100];
}

function grabs(event, svg, now) {
  if (!now() || !canPlan(now().view)) return false;
  const { beta, x, unit } = now().frame;
  const box = svg.getBoundingClientRect();
  const height = event.clientY - box.top;
  const ahead = event.clientX - box.left > x(now().view.rows.lastStep) - 4 * unit;
  return ahead && height > beta.top - 8 * unit && height < beta.bottom + 6 * unit;
}

/** Lets β ahead of now be dragged: a straight line from the β of now to the point let go, and flat from there. */
function letPlan(svg, now, { onDraft, onPlan }) {
  let draft = null;
  const show = (point) => onDraft((draft = point));
  svg.addEventListener("pointerdown", (event) => {
    if (!grabs(event, svg, now)) return;
    svg.setPointerCapture(event.pointerId);
    show(planned(event, svg, now()));
  });
  svg.addEventListener("pointermove", (event) => {
    if (draft) show(planned(event, svg, now()));
    svg.classList.toggle("er-grabs", Boolean(draft) || grabs(event, svg, now));
  });
  svg.addEventListener("pointercancel", () => show(null));
  svg.addEventListener("pointerup", () => {
    if (!draft) return;
    const { rows } = now().view;
    const start = [rows.lastStep, rows.value(rows.length - 1, COLUMN.beta)];
    onPlan(draft[0] > start[0] ? [start, draft] : [draft]);
    draft = null;
    setTimeout(() => draft || onDraft(null), DRAFT_STAYS);
  });
}

/** Builds the panels inside an element; `draw(view, description)` brings them up to date. */
export function createPlot(parent, handlers) {
  const box = node(parent, "div", "er-plot");
  const canvas = node(box, "canvas", "er-heat");
  const svg = shape(box, "svg", "er-panels", { role: "img", tabindex: 0 });
  const parts = [termsPanel(svg), betaStrip(svg), heatStrip(svg, canvas), axis(svg), hairline(svg)];
  const current = { frame: null, view: null };
  const now = () => current.frame && current;
  listen(svg, now, handlers);
  letPlan(svg, now, handlers);
  let size = null; // measured once, for measuring makes the browser lay out the page
  const observer = new ResizeObserver(() => {
    size = null;
    handlers.onResize();
  });
  observer.observe(box);
  return {
    draw(view, description) {
      size ??= { width: box.clientWidth, height: box.clientHeight, unit: parseFloat(getComputedStyle(box).fontSize) / 16 };
      if (!size.width || !size.height) return;
      const frame = geometry(size, view);
      Object.assign(current, { frame, view });
      set(svg, { viewBox: `0 0 ${size.width} ${size.height}`, "aria-label": description });
      parts.forEach((draw) => draw(view, frame));
    },
    stop: () => observer.disconnect(),
  };
}
