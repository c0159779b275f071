// ln p(x) = ELBO + KL(q‖p(z|x)): q is dragged over the true posterior, and the two parts of ln p(x) move.

import { node, set, shape } from "../run/nodes.mjs";
import { signedTwo } from "../latent/words.mjs";
import { besides, clipped, drawing, panel, straight } from "./axes.mjs";
import { createBadge } from "./badge.mjs";
import { button, choices, slider } from "./controls.mjs";
import { contour, level, sampled } from "./contours.mjs";
import { draggable } from "./drag.mjs";
import { gallery } from "./gallery.mjs";
import { ImageModel, ofRun } from "./image.mjs";
import { logNormal, sum } from "./maths.mjs";
import { LinearModel, LogisticModel, logJoint } from "./models.mjs";
import { addedUp, decimals } from "./numerals.mjs";
import { drawParts } from "./parts.mjs";
import { Section, mounting, sentence } from "./section.mjs";

const HEIGHT = 330;
const SHARES = [0.393, 0.865]; // of the mass: what one and two standard deviations of a Gaussian hold
const GRID = 121;
const NAME = 60; // pixels that the posterior's name takes
const FAR = [-4, 4]; // where the posterior of a small model is worked out
const SPREAD = [0.05, 1.5]; // of σ, unless the encoder's own is outside
const AROUND = 3; // of μ in the address, if the view is not wider: there the prior has its place too
const WITHIN = 1e-6; // nats: quadrature and closed forms agree to that, and mostly far better
const PLACES = { prior: "the prior", best: "the best factorised q", encoder: "what the encoder says" };
const MADE = {
  linear: ["Linear-Gaussian", (data) => new LinearModel(data.linear, data.linear.x)],
  bits: ["Bernoulli, two latents", (data) => new LogisticModel(data.bits, data.bits.x)],
  bit: ["Bernoulli, one latent", (data) => new LogisticModel(data.bit, data.bit.x)],
};

class Identity extends Section {
  build() {
    this.name = this.choice("model", [...Object.keys(MADE), "run"]);
    this.said = node(this.root, "p", "lx-said");
    const row = node(this.root, "div", "lx-row");
    choices(row, {
      name: "Model", value: this.name, change: (name) => this.open(name, true),
      options: [...Object.entries(MADE).map(([key, [words]]) => [key, words]), ["run", ofRun]],
    });
    const { tiles, count } = this.settings.data;
    this.image = Math.round(this.asked("image", 0, Math.max(0, (count ?? 1) - 1), 0));
    this.tiles = gallery(this.root, { tiles, count: tiles ? count : 0, value: this.image, change: (image) => this.choose(image) });
    this.beside = node(this.root, "div", "lx-beside");
    this.plane = drawing(this.beside, "The posterior of z, and q");
    this.column = drawing(this.beside, "The parts of ln p(x)");
    const jumps = node(this.root, "div", "lx-row");
    node(jumps, "span", "lx-muted", "Put q on");
    this.jumps = Object.entries(PLACES).map(([name, words]) => [button(jumps, words, () => this.put(this.model[name], name)), name]);
    this.controls = node(this.root, "div", "lx-controls");
    this.badge = createBadge(this.root);
    this.note = node(this.root, "p", "lx-note");
    draggable(this.plane.svg, () => this.handles ?? []);
    this.open(this.name, false);
  }

  choose(image) {
    this.image = image;
    this.open("run", true);
  }

  async open(name, anew) {
    const turn = (this.turn = (this.turn ?? 0) + 1);
    const asked = () => turn === this.turn && !this.abort.signal.aborted;
    Object.assign(this, { name, model: null, handles: [] });
    this.tiles.row.hidden = name !== "run" || !this.settings.data.tiles;
    this.redraw();
    try {
      const model = name === "run" ? await this.read((words) => asked() && this.wait(words)) : MADE[name][1](this.settings.data);
      if (asked()) this.take(model, anew);
    } catch (error) {
      if (asked()) this.wait(sentence(error));
    }
  }

  async read(wait) {
    if (!this.settings.base) throw new Error("There is no run to take an image of.");
    return ImageModel.read(this.settings.base, this.image, this.abort.signal, wait);
  }

  take(model, anew) {
    this.wait(null);
    const ones = Array.from({ length: model.latent }, () => 1);
    model.prior = { mean: ones.map(() => 0), std: ones };
    Object.assign(this, { model, view: model.view ?? { x: [-2.3, 2.3], y: [-2.3, 2.3] } });
    model.shown ??= ones.map((_, axis) => axis);
    if (model.latent > 1) this.contours = contoursOf(model.field ?? sampled((a, b) => logJoint(model, [a, b]), FAR, FAR, GRID));
    const asked = (anew ? "" : this.settings.query.q ?? "").split(",").map(Number);
    const begun = model.start ?? { mean: model.latent > 1 ? [0.5, 0.8] : [0.4], std: ones.map((_, axis) => (axis ? 0.3 : 0.5)) };
    const spreads = model.shown.map((axis) => begun.std[axis]);
    this.spread = [Math.min(SPREAD[0], ...spreads), Math.max(SPREAD[1], ...spreads)];
    const given = asked.length === 2 * model.shown.length && asked.every(Number.isFinite);
    this.makeControls();
    this.on = "encoder";
    this.put(given ? this.apart(asked) : begun);
    for (const [element, name] of this.jumps) element.hidden = !model[name];
  }

  // Means and standard deviations of the shown dimensions, as the address has them one after another.
  apart(numbers) {
    const { shown } = this.model;
    this.on = standing(this.settings.query.on, this.model);
    const base = this.model[this.on] ?? this.model.prior;
    const of = (part, from, bounds) => part.map((value, axis) => (shown.includes(axis) ? within(numbers[from + shown.indexOf(axis)], bounds) : value));
    const wide = [...this.view.x, ...(this.view.y ?? []), -AROUND, AROUND];
    return { mean: of(base.mean, 0, [Math.min(...wide), Math.max(...wide)]), std: of(base.std, shown.length, this.spread) };
  }

  makeControls() {
    this.controls.replaceChildren();
    const { shown } = this.model;
    const one = (axis, part, index) => slider(this.controls, {
      name: `${part === "mean" ? "μ" : "σ"}${shown.length > 1 ? ` of z${axis + 1}` : ""}`,
      low: (part === "mean" ? this.view[index ? "y" : "x"] : this.spread)[0], high: (part === "mean" ? this.view[index ? "y" : "x"] : this.spread)[1],
      value: 0, words: signedTwo, input: (value) => this.change(part, axis, value),
    });
    this.sliders = shown.flatMap((axis, index) => [[axis, "mean", one(axis, "mean", index)], [axis, "std", one(axis, "std", index)]]);
  }

  put({ mean, std }, on = this.on) {
    this.on = on;
    this.q = { mean: [...mean], std: [...std] };
    this.moved();
  }

  change(part, axis, value) {
    if (!this.model) return;
    this.q[part][axis] = part === "std" ? within(value, this.spread) : value;
    this.moved();
  }

  moved() {
    for (const [axis, part, control] of this.sliders) control.put(this.q[part][axis]);
    const { shown } = this.model;
    const numbers = ["mean", "std"].flatMap((part) => shown.map((axis) => +this.q[part][axis].toFixed(3)));
    const { run } = this.settings.data;
    this.tell({ run, model: this.name, q: numbers.join(","), ...(this.name === "run" ? { image: this.model.image, on: this.on } : {}) });
    this.redraw();
  }

  draw() {
    this.tiles.draw(this.root.dataset.theme);
    const [left, right] = besides(this.plane);
    const { model } = this;
    if (!model) return this.empty(left, right);
    if (model.latent > 1) this.drawPlane(left);
    else this.drawLine(left);
    const terms = model.terms(this.q.mean, this.q.std, (error) => model === this.model && (error ? this.wait(sentence(error)) : this.redraw()));
    if (terms) this.report(terms, right);
  }

  // While a model is looked for, nothing of the one before.
  empty(left, right) {
    this.plane.clear(left, HEIGHT);
    this.column.clear(right, HEIGHT);
    this.controls.replaceChildren();
    for (const [element] of this.jumps) element.hidden = true;
    this.badge.root.hidden = true;
    this.note.textContent = "";
  }

  report({ reconstruction, kl, error = 0 }, width) {
    const elbo = reconstruction - sum(kl);
    const { logEvidence, exact } = this.model;
    const gap = exact ? this.model.gap(this.q.mean, this.q.std) : logEvidence - elbo;
    const words = printed(exact ? 2 : decimals(gap), logEvidence, elbo, gap, reconstruction, sum(kl));
    this.said.replaceChildren(...sentenceOf(words, exact ? "" : " about"));
    Object.assign(this.root.dataset, { elbo, gap, evidence: logEvidence });
    this.column.clear(width, HEIGHT, `ln p(x) ${words.logEvidence} = ELBO ${words.elbo} + ${words.gap}`);
    drawParts(this.column.svg, { width, height: HEIGHT, logEvidence, reconstruction, kl: sum(kl), error, words });
    this.badge.root.hidden = !exact;
    if (exact) {
      this.badge.write({
        one: elbo + gap, other: logEvidence, within: WITHIN,
        words: (difference) => `ELBO + KL and ln p(x), each by its own ${exact === "quadrature" ? "quadrature" : "closed form"}, differ by ${difference} nats.`,
      });
    }
    this.note.textContent = exact ? "" : this.model.note(error);
  }

  drawPlane(width) {
    const { shown } = this.model;
    this.plane.clear(width, HEIGHT, `q at ${shown.map((axis) => signedTwo(this.q.mean[axis])).join(", ")}`);
    const box = { left: 30, top: 8, width: width - 40, height: HEIGHT - 50 };
    const [cx, cy] = [0.5 * sum(this.view.x), 0.5 * sum(this.view.y)];
    const unit = Math.min(box.width / (this.view.x[1] - this.view.x[0]), box.height / (this.view.y[1] - this.view.y[0]));
    const x = straight([cx - box.width / unit / 2, cx + box.width / unit / 2], [box.left, box.left + box.width]);
    const y = straight([cy - box.height / unit / 2, cy + box.height / unit / 2], [box.top + box.height, box.top]);
    const frame = panel(this.plane.svg, box, x, y);
    frame.across({ lines: false });
    frame.along();
    const plot = panel(clipped(frame.group, box, "lx-plane"), box, x, y);
    plot.text(x.domain[1], y.domain[0], `z${shown[0] + 1}`, "lx-quiet lx-end", [0, -8]);
    plot.text(x.domain[0], y.domain[1], `z${shown[1] + 1}`, "lx-quiet", [4, 6]);
    for (const times of [1, 2]) plot.ellipse([0, 0], [1, 1], times, "lx-prior");
    for (const d of this.contours.paths(width, x, y)) shape(plot.group, "path", "lx-line lx-faint", { d });
    const [i, j] = shown;
    const [mean, std] = [[this.q.mean[i], this.q.mean[j]], [this.q.std[i], this.q.std[j]]];
    plot.ellipse(mean, std, 2, "lx-line lx-thin");
    plot.ellipse(mean, std, 1, "lx-line");
    plot.text(mean[0], mean[1] + 2 * std[1], "q", "lx-strong lx-middle", [0, -10]);
    const [left, right] = this.contours.sides;
    // On the side where q is not, if there is room.
    const rooms = [x(left[0]) - NAME > box.left, x(right[0]) + NAME < box.left + box.width];
    const after = rooms[1] && !(rooms[0] && 2 * mean[0] > left[0] + right[0]);
    plot.text(...(after ? right : left), "p(z|x)", `lx-quiet ${after ? "" : "lx-end"}`, [after ? 12 : -12, 0]);
    plot.text(...[0, -2], "prior", "lx-quiet lx-middle", [0, 12]);
    this.handles = [
      { at: [x(mean[0]), y(mean[1])], move: ([a, b]) => (this.change("mean", i, within(x.back(a), this.view.x)), this.change("mean", j, within(y.back(b), this.view.y))) },
      { at: [x(mean[0] + std[0]), y(mean[1])], move: ([a]) => this.change("std", i, x.back(a) - mean[0]) },
      { at: [x(mean[0]), y(mean[1] + std[1])], move: ([, b]) => this.change("std", j, y.back(b) - mean[1]) },
    ];
    for (const { at: [a, b] } of this.handles) shape(plot.group, "circle", "lx-handle", { cx: a, cy: b, r: 6 });
  }

  drawLine(width) {
    this.plane.clear(width, HEIGHT, `q at ${signedTwo(this.q.mean[0])}`);
    const [[mean], [std]] = [this.q.mean, this.q.std];
    const places = Array.from({ length: 401 }, (_, index) => this.view.x[0] + (index / 400) * (this.view.x[1] - this.view.x[0]));
    const joint = this.model.line ?? places.map((z) => [z, logJoint(this.model, [z])]);
    const posterior = joint.map(([z, value]) => [z, Math.exp(value - this.model.logEvidence)]);
    const q = places.map((z) => [z, Math.exp(logNormal([z], [mean], [std]))]);
    const peak = posterior.reduce((best, point) => (point[1] > best[1] ? point : best));
    const top = 1.15 * Math.max(peak[1], Math.min(1.6, 0.4 / std));
    const box = { left: 30, top: 8, width: width - 40, height: HEIGHT - 50 };
    const x = straight(this.view.x, [box.left, box.left + box.width]);
    const y = straight([0, top], [box.top + box.height, box.top]);
    const frame = panel(this.plane.svg, box, x, y);
    frame.along({ name: "z" });
    const plot = panel(clipped(frame.group, box, "lx-line-of-z"), box, x, y);
    plot.band(posterior.map(([z, value]) => [z, 0, value]), "");
    plot.line(posterior, "lx-faint");
    plot.line(places.map((z) => [z, Math.exp(logNormal([z], [0], [1]))]), "lx-faint lx-dotted");
    plot.line(q, "");
    const height = Math.exp(logNormal([mean], [mean], [std]));
    frame.text(mean, Math.min(0.94 * top, height), "q", "lx-strong", [12, -8]);
    const beyond = posterior.find(([z, value]) => z > peak[0] && value < 0.6 * peak[1]) ?? peak; // down the right slope
    plot.text(...beyond, "p(z|x)", "lx-quiet", [8, 0]);
    const aside = Math.max(-1.6, this.view.x[0] + 0.17 * (this.view.x[1] - this.view.x[0]));
    plot.text(aside, Math.exp(logNormal([aside], [0], [1])), "prior", "lx-quiet lx-end", [0, -12]);
    this.handles = [
      { at: [x(mean), y(Math.min(top, height))], move: ([a]) => this.change("mean", 0, within(x.back(a), this.view.x)) },
      { at: [x(mean + std), y(Math.min(top, height * Math.exp(-0.5)))], move: ([a]) => this.change("std", 0, x.back(a) - mean) },
    ];
    for (const { at: [a, b] } of this.handles) shape(plot.group, "circle", "lx-handle", { cx: a, cy: b, r: 6 });
  }
}

// The contours of a density: `paths(width, x, y)` anew only at another width, and the `sides` of the outer one, left and
// right, where the posterior's name may stand.
function contoursOf(field) {
  const { values, x: [x0, x1], y: [y0, y1] } = field;
  const levels = SHARES.map((share) => level(field, share));
  const inside = values.flatMap((row, r) => row.map((value, c) => [c, r, value])).filter(([, , value]) => value >= levels.at(-1));
  const place = ([c, r]) => [x0 + (c / (values[0].length - 1)) * (x1 - x0), y0 + (r / (values.length - 1)) * (y1 - y0)];
  const [first, last] = [(best, cell) => (cell[0] < best[0] ? cell : best), (best, cell) => (cell[0] > best[0] ? cell : best)];
  let [at, drawn] = [0, []];
  return {
    sides: [inside.reduce(first), inside.reduce(last)].map(place),
    paths(width, x, y) {
      if (width !== at) [at, drawn] = [width, levels.map((value) => contour(field, value, x, y))];
      return drawn;
    },
  };
}

// Where the latents stand that are not shown: where the address says, else where the encoder puts them.
const standing = (asked, model) => (asked in PLACES && model[asked] ? asked : "encoder");

const within = (value, [low, high]) => Math.max(low, Math.min(high, value));

// The texts of the numbers, which add up as they are printed.
function printed(digits, logEvidence, elbo, gap, reconstruction, kl) {
  const [whole, bound, rest] = addedUp(digits, logEvidence, elbo, gap);
  const [first, , second] = addedUp(digits, reconstruction, elbo, kl);
  return { logEvidence: whole, elbo: bound, gap: rest, reconstruction: first, kl: second };
}

function sentenceOf({ logEvidence, elbo, gap }, about) {
  const part = (text, className = "") => Object.assign(document.createElement("span"), { textContent: text, className });
  return [part(`ln p(x)${about} `, "lx-muted"), part(logEvidence), part(" = ELBO ", "lx-muted"), part(elbo), part(" + ", "lx-muted"), part(gap), part("  KL(q || p(z|x)), in nats", "lx-muted")];
}

export const mountIdentity = mounting(Identity);
