// Why maximum likelihood: the mean of ln p(x) over the data is -S - KL(data‖model), and only the KL moves with the model.

import { node, set, shape } from "../run/nodes.mjs";
import { random, normal } from "../latent/chance.mjs";
import { signedTwo } from "../latent/words.mjs";
import { besides, clipped, drawing, panel, straight } from "./axes.mjs";
import { createBadge } from "./badge.mjs";
import { button, slider } from "./controls.mjs";
import { draggable } from "./drag.mjs";
import { LOG_2PI, added, apply, cholesky, diagonal, dot, identity, inverse, logDet, multiply, scaled, sum, trapezoid } from "./maths.mjs";
import { addedUp } from "./numerals.mjs";
import { drawColumns, reach } from "./parts.mjs";
import { Section, mounting } from "./section.mjs";

const HEIGHT = 330;
const POINTS = 160;
const REACH = 3.2; // of the plane, from its middle
const BOUNDS = { w1: [-2.5, 2.5], w2: [-2.5, 2.5], sigma: [0.1, 1.5] };
const WITHIN = 1e-6; // nats between the quadrature and the closed form

/** The three numbers for Gaussians with covariance `data` and `model`: ⟨ln p⟩ by quadrature, S and KL in closed form. */
export function likelihoodOf(data, model) {
  const [size, precision, lower] = [data.length, inverse(model), cholesky(data)];
  const line = trapezoid(0.25);
  const square = sum(line.flatMap(([a, u]) => line.map(([b, v]) => {
    const x = apply(lower, [a, b]);
    return u * v * dot(x, apply(precision, x));
  })));
  return {
    mean: -0.5 * (size * LOG_2PI + logDet(model) + square),
    entropy: 0.5 * (size * (1 + LOG_2PI) + logDet(data)),
    kl: 0.5 * (sum(diagonal(multiply(precision, data))) - size + logDet(model) - logDet(data)),
  };
}

class Likelihood extends Section {
  build() {
    const { covariance } = this.settings.data;
    const draw = random(7);
    const lower = cholesky(covariance);
    this.cloud = Array.from({ length: POINTS }, () => apply(lower, [normal(draw), normal(draw)]));
    this.theta = { w1: this.asked("w1", ...BOUNDS.w1, 0.3), w2: this.asked("w2", ...BOUNDS.w2, -0.9), sigma: this.asked("sigma", ...BOUNDS.sigma, 0.6) };
    this.said = node(this.root, "p", "lx-said");
    const beside = node(this.root, "div", "lx-beside");
    this.plane = drawing(beside, "The data and the model");
    this.column = drawing(beside, "The mean of ln p(x) over the data");
    const row = node(this.root, "div", "lx-row");
    button(row, "The best model", () => this.put(this.best()));
    const controls = node(this.root, "div", "lx-controls");
    this.sliders = Object.entries({ w1: "w, first", w2: "w, second", sigma: "σ" }).map(([key, name]) => [key, slider(controls, {
      name, low: BOUNDS[key][0], high: BOUNDS[key][1], value: this.theta[key], words: signedTwo, input: (value) => this.put({ [key]: value }),
    })]);
    this.badge = createBadge(this.root);
    draggable(this.plane.svg, () => this.handles ?? []);
  }

  /** The optimum of probabilistic PCA with one latent: w along the first axis, σ² the other eigenvalue. */
  best() {
    const [[a, b], [, d]] = this.settings.data.covariance;
    const middle = (a + d) / 2;
    const half = Math.hypot((a - d) / 2, b);
    const angle = 0.5 * Math.atan2(2 * b, a - d);
    const length = Math.sqrt(2 * half);
    return { w1: length * Math.cos(angle), w2: length * Math.sin(angle), sigma: Math.sqrt(middle - half) };
  }

  put(changes) {
    for (const [key, value] of Object.entries(changes)) this.theta[key] = Math.max(BOUNDS[key][0], Math.min(BOUNDS[key][1], value));
    for (const [key, control] of this.sliders) control.put(this.theta[key]);
    this.tell(Object.fromEntries(Object.entries(this.theta).map(([key, value]) => [key, +value.toFixed(3)])));
    this.redraw();
  }

  get covariance() {
    const { w1, w2, sigma } = this.theta;
    return added([[w1 * w1, w1 * w2], [w1 * w2, w2 * w2]], scaled(identity(2), sigma ** 2));
  }

  draw() {
    const found = likelihoodOf(this.settings.data.covariance, this.covariance);
    const goal = -found.entropy;
    const [most, now, rest] = addedUp(2, goal, found.mean, found.kl);
    this.said.textContent = `Mean ln p(x) over the data ${now}; no model can exceed ${most}.`;
    Object.assign(this.root.dataset, { mean: found.mean, entropy: found.entropy, kl: found.kl });
    const [left, right] = besides(this.plane);
    this.drawPlane(left);
    this.column.clear(right, HEIGHT, this.said.textContent);
    const below = reach(goal - found.mean);
    drawColumns(this.column.svg, {
      width: right, height: HEIGHT, below, above: 0.12 * below, line: { value: goal },
      columns: [{
        top: found.mean, parts: [{ low: null, high: found.mean, className: "lx-bar" }, { low: found.mean, high: goal, className: "lx-soft" }],
        labels: [
          { at: goal, name: "minus entropy of the data", words: most }, { at: (goal + found.mean) / 2, name: "KL(data || model)", words: rest, className: "lx-quiet" },
          { at: found.mean, name: "mean ln p(x)", words: now },
        ],
      }],
    });
    this.badge.write({
      one: found.mean, other: goal - found.kl, within: WITHIN,
      words: (difference) => `the mean of ln p(x) by quadrature, and minus entropy minus KL in closed form, differ by ${difference} nats.`,
    });
  }

  drawPlane(width) {
    this.plane.clear(width, HEIGHT);
    const box = { left: 30, top: 8, width: width - 40, height: HEIGHT - 50 };
    const wide = (REACH * box.width) / box.height;
    const x = straight([-wide, wide], [box.left, box.left + box.width]);
    const y = straight([-REACH, REACH], [box.top + box.height, box.top]);
    const frame = panel(this.plane.svg, box, x, y);
    frame.across({ lines: false });
    frame.along({ name: "x, first component" });
    const plot = panel(clipped(frame.group, box, "lx-data"), box, x, y);
    for (const [a, b] of this.cloud.filter((point) => Math.abs(point[0]) < wide && Math.abs(point[1]) < REACH)) plot.circle(a, b, 2, "lx-soft");
    for (const times of [1, 2]) {
      outline(plot, this.settings.data.covariance, times, "lx-faint lx-dotted");
      outline(plot, this.covariance, times, times > 1 ? "lx-thin" : "");
    }
    const { w1, w2 } = this.theta;
    plot.line([[0, 0], [w1, w2]], "lx-thin");
    plot.text(w1, w2, "w", "lx-strong", [10, -10]);
    plot.text(-wide, REACH, "points and dots: the data · lines: the model", "lx-quiet", [6, 8]);
    this.handles = [{ at: [x(w1), y(w2)], move: ([a, b]) => this.put({ w1: x.back(a), w2: y.back(b) }) }];
    shape(plot.group, "circle", "lx-handle", { cx: x(w1), cy: y(w2), r: 6 });
  }
}

// The ellipse of a covariance.
function outline({ group, x, y }, covariance, times, className) {
  const lower = cholesky(covariance);
  const points = Array.from({ length: 73 }, (_, index) => apply(lower, [times * Math.cos((index * Math.PI) / 36), times * Math.sin((index * Math.PI) / 36)]));
  set(shape(group, "path", `lx-line ${className}`), { d: points.map(([a, b], index) => `${index ? "L" : "M"}${x(a).toFixed(1)},${y(b).toFixed(1)}`).join("") });
}

export const mountLikelihood = mounting(Likelihood);
