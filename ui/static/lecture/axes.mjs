// Panels with straight or logarithmic axes, drawn anew each time: a view moves as a whole.

import { ticks } from "../vendor/d3.mjs";
import { set, shape, write } from "../run/nodes.mjs";
import { tick } from "../run/numbers.mjs";

const GAP = 8; // pixels between an axis and its numbers
const LOW = 16; // pixels under a panel, to the middle of its numbers

/** A straight map of values to pixels; `back` is its inverse. */
export function straight([low, high], [from, to]) {
  const scale = (value) => from + ((value - low) / (high - low)) * (to - from);
  return Object.assign(scale, { back: (pixel) => low + ((pixel - from) / (to - from)) * (high - low), ticks: (count) => ticks(low, high, count), domain: [low, high] });
}

/** The same of the logarithms of values above zero; its ticks are powers of ten. */
export function logarithmic([low, high], range) {
  const inner = straight([Math.log10(low), Math.log10(high)], range);
  const powers = () => Array.from({ length: Math.floor(Math.log10(high) + 1e-9) - Math.ceil(Math.log10(low) - 1e-9) + 1 }, (_, index) => 10 ** (Math.ceil(Math.log10(low) - 1e-9) + index));
  return Object.assign((value) => inner(Math.log10(value)), { back: (pixel) => 10 ** inner.back(pixel), ticks: powers, domain: [low, high] });
}

/** The drawing of an element: made once, emptied at each drawing. */
export function drawing(parent, words) {
  const svg = shape(parent, "svg", "lx-drawing", { role: "img", "aria-label": words });
  return {
    svg,
    clear(width, height, said) {
      svg.replaceChildren();
      set(svg, { viewBox: `0 0 ${width} ${height}`, width, height });
      if (said) set(svg, { "aria-label": said });
    },
  };
}

/** A panel of a drawing, `box` in its pixels, with the scales `x` and `y` (functions with `ticks`). */
export function panel(svg, { left, top, width, height }, x, y) {
  const group = shape(svg, "g");
  const bottom = top + height;
  const right = left + width;
  return {
    group, x, y, left, right, top, bottom,
    /** Gridlines with numbers; `name` stands at the end of the axis. */
    across({ count = 4, words = tick, name = "", lines = true } = {}) {
      for (const value of y.ticks(count)) {
        if (lines) set(shape(group, "path", "lx-grid"), { d: `M${left},${y(value)}H${right}` });
        write(shape(group, "text", "lx-tick lx-end"), left - GAP, y(value), words(value));
      }
      if (name) write(shape(group, "text", "lx-name"), left, top - LOW, name);
    },
    /** Numbers under the panel. */
    along({ count = 5, words = tick, name = "", lines = false } = {}) {
      for (const value of x.ticks(count)) {
        if (lines) set(shape(group, "path", "lx-grid"), { d: `M${x(value)},${top}V${bottom}` });
        write(shape(group, "text", "lx-tick lx-middle"), x(value), bottom + LOW, words(value));
      }
      if (name) write(shape(group, "text", "lx-name lx-end"), right, bottom + 2.2 * LOW, name);
    },
    /** A line through points [x, y]; what is not finite breaks it. */
    line(points, className) {
      return shape(group, "path", `lx-line ${className}`, { d: through(points.map(([a, b]) => [x(a), y(b)])) });
    },
    /** The area between two lines over the same places: points [x, low, high]. */
    band(points, className) {
      const back = [...points].reverse().map(([a, low]) => [x(a), y(low)]);
      return shape(group, "path", `lx-area ${className}`, { d: `${through([...points.map(([a, , high]) => [x(a), y(high)]), ...back])}Z` });
    },
    /** A text at a place. */
    text(a, b, words, className = "", [right = 0, down = 0] = []) {
      const element = shape(group, "text", `lx-label ${className}`);
      write(element, x(a) + right, y(b) + down, words);
      return element;
    },
    circle: (a, b, r, className) => shape(group, "circle", className, { cx: x(a), cy: y(b), r }),
    /** The ellipse of a Gaussian with these axes, `times` standard deviations large. */
    ellipse: ([a, b], [sx, sy], times, className) =>
      shape(group, "ellipse", className, { cx: x(a), cy: y(b), rx: Math.abs(x(a + times * sx) - x(a)), ry: Math.abs(y(b + times * sy) - y(b)) }),
  };
}

/** A group within which nothing is drawn beyond a box; `name` is its own on the page. */
export function clipped(parent, { left, top, width, height }, name) {
  set(shape(shape(parent, "clipPath", "", { id: name }), "rect"), { x: left, y: top - 2, width: width + 2, height: height + 4 });
  return shape(parent, "g", "", { "clip-path": `url(#${name})` });
}

function through(points) {
  let open = false;
  return points.map(([a, b]) => {
    if (!Number.isFinite(a) || !Number.isFinite(b)) return (open = false), "";
    const part = `${open ? "L" : "M"}${a.toFixed(2)},${b.toFixed(2)}`;
    open = true;
    return part;
  }).join("");
}

/** Keeps labels of lines' ends apart: heights that are at least `gap` pixels from each other, in their order. */
export function apart(heights, gap = 18) {
  const order = heights.map((height, index) => [height, index]).sort((one, other) => one[0] - other[0]);
  const placed = [];
  for (const [height] of order) placed.push(placed.length ? Math.max(height, placed.at(-1) + gap) : height);
  const excess = placed.reduce((sum, value, place) => sum + value - order[place][0], 0) / Math.max(1, placed.length);
  return heights.map((_, index) => placed[order.findIndex(([, own]) => own === index)] - excess);
}

/** The widths of two drawings in one row, the second the narrower; where there is no room, each has a row of its own. */
export function besides({ svg }) {
  const width = svg.parentElement.clientWidth;
  const left = (width - 24) / 1.8;
  return width > 620 ? [left, width - 24 - left] : [width, width];
}
