// ln p(x) = ELBO + KL(q‖p(z|x)): q is dragged over the true posterior, and the two parts of ln p(x) move.

import { node, set, shape } from "../run/nodes.mjs";
import { nats } from "../run/numbers.mjs";
import { signedTwo } from "../latent/words.mjs";
import { clipped, drawing, panel, straight } from "./axes.mjs";
import { createBadge } from "./badge.mjs";
import { button, choices, slider } from "./controls.mjs";
import { contour, level, sampled } from "./contours.mjs";
import { draggable } from "./drag.mjs";
import { gallery } from "./gallery.mjs";
import { ImageModel, ofRun } from "./image.mjs";
import { logNormal, sum } from "./maths.mjs";
import { LinearModel, LogisticModel, logJoint } from "./models.mjs";
import { drawParts } from "./parts.mjs";
import { Section, mounting, sentence } from "./section.mjs";

const HEIGHT = 330;
const SHARES = [0.393, 0.865]; // of the mass: what one and two standard deviations of a Gaussian hold
const GRID = 121;
const FAR = [-4, 4]; // where the posterior of a small model is worked out
const LEAST = 0.05; // of σ
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
    this.tiles = gallery(this.root, { tiles, count: tiles ? count : 0, value: Math.round(this.asked("image", 0, Math.max(0, count - 1), 0)), change: (image) => this.choose(image) });
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
    this.settings.query = { ...this.settings.query, image };
    this.open("run", true);
  }

  async open(name, anew) {
    this.name = name;
    this.tiles.row.hidden = name !== "run" || !this.settings.data.tiles;
    try {
      const model = name === "run" ? await this.image() : MADE[name][1](this.settings.data);
      if (this.name === name && !this.abort.signal.aborted) this.take(model, anew);
    } catch (error) {
      if (this.name === name && !this.abort.signal.aborted) this.wait(sentence(error));
    }
  }

  image() {
    this.model = null;
    return ImageModel.read(this.settings, this.abort.signal, (words) => this.name === "run" && this.wait(words));
  }

  wait(words) {
    this.said.textContent = words;
    this.root.toggleAttribute("data-waiting", true);
  }

  take(model, anew) {
    this.root.removeAttribute("data-waiting");
    const ones = Array.from({ length: model.latent }, () => 1);
    model.prior = { mean: ones.map(() => 0), std: ones };
    Object.assign(this, { model, view: model.view ?? { x: [-2.3, 2.3], y: [-2.3, 2.3] } });
    model.shown ??= ones.map((_, axis) => axis);
    if (model.latent > 1) this.field = model.field ?? sampled((a, b) => logJoint(model, [a, b]), FAR, FAR, GRID);
    const asked = (anew ? "" : this.settings.query.q ?? "").split(",").map(Number);
    const given = asked.length === 2 * model.shown.length && asked.every(Number.isFinite);
    this.makeControls();
    this.on = "encoder";
    this.put(given ? this.apart(asked) : model.start ?? { mean: model.latent > 1 ? [0.5, 0.8] : [0.4], std: ones.map((_, axis) => (axis ? 0.3 : 0.5)) });
    for (const [element, name] of this.jumps) element.hidden = !model[name];
  }

  // Means and standard deviations of the shown dimensions, as the address has them one after another.
  apart(numbers) {
    const { shown } = this.model;
    this.on = standing(this.settings.query.on, this.model);
    const base = this.model[this.on] ?? this.model.prior;
    const of = (part, from, low) => part.map((value, axis) => (shown.includes(axis) ? Math.max(low, numbers[from + shown.indexOf(axis)]) : value));
    return { mean: of(base.mean, 0, -Infinity), std: of(base.std, shown.length, LEAST) };
  }

  makeControls() {
    this.controls.replaceChildren();
    const { shown } = this.model;
    const one = (axis, part, index) => slider(this.controls, {
      name: `${part === "mean" ? "μ" : "σ"}${shown.length > 1 ? ` of z${axis + 1}` : ""}`,
      low: part === "mean" ? this.view[index ? "y" : "x"][0] : LEAST, high: part === "mean" ? this.view[index ? "y" : "x"][1] : 1.5,
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
    this.q[part][axis] = part === "std" ? Math.max(LEAST, value) : value;
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
    if (!this.q || !this.model) return;
    const width = this.plane.svg.parentElement.clientWidth;
    const beside = width > 620;
    const left = beside ? (width - 24) / 1.8 : width;
    if (this.model.latent > 1) this.drawPlane(left);
    else this.drawLine(left);
    const terms = this.model.terms(this.q.mean, this.q.std, (error) => (error ? this.wait(sentence(error)) : this.redraw()));
    if (terms) this.report(terms, beside ? width - 24 - left : width);
  }

  report({ reconstruction, kl, error = 0 }, width) {
    const elbo = reconstruction - sum(kl);
    const { logEvidence, exact } = this.model;
    const gap = exact ? this.model.gap(this.q.mean, this.q.std) : logEvidence - elbo;
    this.said.replaceChildren(...words(logEvidence, elbo, gap, exact ? "" : " about"));
    Object.assign(this.root.dataset, { elbo, gap, evidence: logEvidence });
    this.column.clear(width, HEIGHT, `ln p(x) ${nats(logEvidence)} = ELBO ${nats(elbo)} + ${nats(gap)}`);
    drawParts(this.column.svg, { width, height: HEIGHT, logEvidence, reconstruction, kl: sum(kl), gap, error });
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
    const line = shape(plot.group, "g");
    for (const share of SHARES) set(shape(line, "path", "lx-line lx-faint"), { d: contour(this.field, level(this.field, share), x, y) });
    const [i, j] = shown;
    const [mean, std] = [[this.q.mean[i], this.q.mean[j]], [this.q.std[i], this.q.std[j]]];
    plot.ellipse(mean, std, 2, "lx-line lx-thin");
    plot.ellipse(mean, std, 1, "lx-line");
    plot.text(mean[0], mean[1] + 2 * std[1], "q", "lx-strong lx-middle", [0, -10]);
    const [left, right] = this.sides();
    const room = x(right[0]) + 60 < box.left + box.width;
    plot.text(...(room ? right : left), "p(z|x)", `lx-quiet ${room ? "" : "lx-end"}`, [room ? 12 : -12, 0]);
    plot.text(...[0, -2], "prior", "lx-quiet lx-middle", [0, 12]);
    this.handles = [
      { at: [x(mean[0]), y(mean[1])], move: ([a, b]) => (this.change("mean", i, within(x.back(a), this.view.x)), this.change("mean", j, within(y.back(b), this.view.y))) },
      { at: [x(mean[0] + std[0]), y(mean[1])], move: ([a]) => this.change("std", i, Math.min(1.5, x.back(a) - mean[0])) },
      { at: [x(mean[0]), y(mean[1] + std[1])], move: ([, b]) => this.change("std", j, Math.min(1.5, y.back(b) - mean[1])) },
    ];
    for (const { at: [a, b] } of this.handles) shape(plot.group, "circle", "lx-handle", { cx: a, cy: b, r: 6 });
  }

  // The ends of the outer contour, left and right, where the posterior's name may stand.
  sides() {
    const { values, x: [x0, x1], y: [y0, y1] } = this.field;
    const inside = values.flatMap((row, r) => row.map((value, c) => [c, r, value])).filter(([, , value]) => value > 0.14);
    const place = ([c, r]) => [x0 + (c / (values[0].length - 1)) * (x1 - x0), y0 + (r / (values.length - 1)) * (y1 - y0)];
    return [inside.reduce((best, cell) => (cell[0] < best[0] ? cell : best)), inside.reduce((best, cell) => (cell[0] > best[0] ? cell : best))].map(place);
  }

  drawLine(width) {
    this.plane.clear(width, HEIGHT, `q at ${signedTwo(this.q.mean[0])}`);
    const [[mean], [std]] = [this.q.mean, this.q.std];
    const places = Array.from({ length: 261 }, (_, index) => this.view.x[0] + (index / 260) * (this.view.x[1] - this.view.x[0]));
    const posterior = places.map((z) => [z, Math.exp(logJoint(this.model, [z]) - this.model.logEvidence)]);
    const q = places.map((z) => [z, Math.exp(logNormal([z], [mean], [std]))]);
    const top = 1.15 * Math.max(...posterior.map(([, value]) => value), Math.min(1.6, 0.4 / std));
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
    plot.text(this.model.centre[0] + Math.sqrt(this.model.covariance[0][0]), Math.max(...posterior.map(([, value]) => value)) * 0.75, "p(z|x)", "lx-quiet", [4, 0]);
    plot.text(-1.6, Math.exp(logNormal([-1.6], [0], [1])), "prior", "lx-quiet lx-end", [0, -12]);
    this.handles = [
      { at: [x(mean), y(Math.min(top, height))], move: ([a]) => this.change("mean", 0, within(x.back(a), this.view.x)) },
      { at: [x(mean + std), y(Math.min(top, height * Math.exp(-0.5)))], move: ([a]) => this.change("std", 0, Math.min(1.5, x.back(a) - mean)) },
    ];
    for (const { at: [a, b] } of this.handles) shape(plot.group, "circle", "lx-handle", { cx: a, cy: b, r: 6 });
  }
}

// Where the latents stand that are not shown: where the address says, else where the encoder puts them.
const standing = (asked, model) => (asked in PLACES && model[asked] ? asked : "encoder");

const within = (value, [low, high]) => Math.max(low, Math.min(high, value));

function words(logEvidence, elbo, gap, about) {
  const part = (text, className = "") => Object.assign(document.createElement("span"), { textContent: text, className });
  return [part(`ln p(x)${about} `, "lx-muted"), part(nats(logEvidence)), part(" = ELBO ", "lx-muted"), part(nats(elbo)), part(" + ", "lx-muted"), part(nats(gap)), part("  KL(q || p(z|x)), in nats", "lx-muted")];
}

export const mountIdentity = mounting(Identity);
