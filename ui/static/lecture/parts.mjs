// Sums as columns: what a bound is made of, and how far it is from what it bounds. In nats, on one axis.

import { set, shape, write } from "../run/nodes.mjs";
import { apart, panel, straight } from "./axes.mjs";

const STEPS = [0.5, 1, 2, 3, 5, 8, 12, 20, 30, 50, 80, 120, 200, 500, 1000, 5000]; // nats shown below the line
const WIDE = 64; // pixels of a column
const LINE = 34; // pixels that a label takes

/** How far down from a line the axis goes, so that it seldom jumps while something is dragged. */
export const reach = (distance, share = 0.85) => STEPS.find((step) => distance < share * step) ?? 2 * distance;

/** Draws columns into an svg. `line`: { value, name } across all. A column has `parts` of { low, high, className } (a low of
    null is the axis' own), `labels` of { at, name, words, className }, perhaps a `mark` across it; `error` is the standard
    error of its `top`. */
export function drawColumns(svg, { width, height, below, above, line, columns }) {
  const box = { left: 44, top: 22, width: width - 54, height: height - 50 };
  const y = straight([line.value - below, line.value + above], [box.top + box.height, box.top]);
  const plot = panel(svg, box, straight([0, 1], [box.left, box.left + box.width]), y);
  plot.across({ name: "nats" });
  set(shape(plot.group, "path", "lx-line lx-dotted"), { d: `M${box.left},${y(line.value)}H${box.left + box.width}` });
  columns.forEach(({ parts, labels, top, error = 0, mark }, index) => {
    const left = box.left + 8 + (index * (box.width - 8)) / columns.length;
    for (const { low, high, className } of parts) {
      const from = low ?? y.domain[0];
      set(shape(plot.group, "rect", className), { x: left, width: WIDE, y: y(high), height: Math.max(0, y(from) - y(high)) });
    }
    if (mark) set(shape(plot.group, "path", `lx-line ${mark.className}`), { d: `M${left},${y(mark.value)}h${WIDE}` });
    if (error > 0) whisker(plot, left + WIDE / 2, top, error);
    stack(plot, left + WIDE + 8, labels);
  });
}

// One standard error up and down.
function whisker({ group, y }, x, value, error) {
  const [high, low] = [y(value + error), y(value - error)];
  set(shape(group, "path", "lx-line lx-thin lx-faint"), { d: `M${x},${high}V${low}M${x - 5},${high}h10M${x - 5},${low}h10` });
}

function stack({ group, y, top, bottom }, left, rows) {
  const wanted = rows.map(({ at }) => Math.max(top + 8, Math.min(bottom - 12, y(at))));
  const placed = apart(wanted, LINE);
  const up = Math.max(0, Math.max(...placed) - (bottom - 12)); // a stack that has slid out comes back
  const down = Math.max(0, top + 8 - (Math.min(...placed) - up));
  placed.map((at) => at - up + down).forEach((at, index) => {
    const { name, words, className = "" } = rows[index];
    write(shape(group, "text", `lx-label ${className}`), left, at - 8, name);
    write(shape(group, "text", `lx-label lx-strong ${className}`), left, at + 9, words);
  });
}

/** ln p(x) twice: as the ELBO and its gap, and the ELBO as reconstruction without the KL to the prior. `words` are the texts
    of ln p(x), ELBO, gap, reconstruction and KL. */
export function drawParts(svg, { width, height, logEvidence, reconstruction, kl, error, words }) {
  const elbo = reconstruction - kl;
  const over = Math.max(0, reconstruction - logEvidence);
  const [below, above] = [reach(logEvidence - elbo), over ? reach(over, 0.9) : 0];
  drawColumns(svg, {
    width, height, below, above: Math.max(above, 0.08 * below), line: { value: logEvidence },
    columns: [
      {
        top: elbo, error, parts: [{ low: null, high: elbo, className: "lx-bar" }, { low: elbo, high: logEvidence, className: "lx-soft" }],
        labels: [
          { at: logEvidence, name: "ln p(x)", words: words.logEvidence }, { at: (elbo + logEvidence) / 2, name: "gap", words: words.gap, className: "lx-quiet" },
          { at: elbo, name: "ELBO", words: words.elbo },
        ],
      },
      {
        top: elbo, parts: [{ low: null, high: elbo, className: "lx-bar" }, { low: elbo, high: reconstruction, className: "lx-kl lx-filled" }],
        mark: { value: reconstruction, className: "lx-reconstruction" },
        labels: [
          { at: reconstruction, name: "reconstr.", words: words.reconstruction, className: "lx-reconstruction" },
          { at: (elbo + reconstruction) / 2, name: "KL to prior", words: words.kl, className: "lx-kl" },
        ],
      },
    ],
  });
}
