// ln q(z) = ln p(ε) − ln|det ∂z/∂ε|: a grid in ε and what an invertible map makes of it, with both sides worked out.

import { node, set, shape, write } from "../run/nodes.mjs";
import { signedTwo } from "../latent/words.mjs";
import { drawing, panel, straight } from "./axes.mjs";
import { createBadge } from "./badge.mjs";
import { choices, slider } from "./controls.mjs";
import { draggable } from "./drag.mjs";
import { noise } from "./estimators_maths.mjs";
import { PlaneMap, area, bothSides } from "./jacobian_maths.mjs";
import { differenceOfPrinted, raise, raiseAll, short } from "./numerals.mjs";
import { Section, mounting } from "./section.mjs";

const REACH = 3.3; // of both planes
const EDGE = 3.15; // at which a point from beyond is drawn, to be fetched back
const WITHIN = 1e-12; // nats
const DOTS = 300;
const CELL = 0.6; // of the small square's side
const LINES = [-3, -2, -1, 0, 1, 2, 3];
const SHIFT = [0.4, 0.2];
const MAPS = [["scaled", "z = μ + σε"], ["affine", "affine"], ["bent", "bent"]];
const RULES = [["s1", "σ1", 0.2, 1.6, 1.1], ["s2", "σ2", 0.2, 1.6, 0.6], ["shear", "shear", -1, 1, 0.5], ["bend", "bend", -1.2, 1, -0.8]];
const USES = { scaled: ["s1", "s2"], affine: ["s1", "s2", "shear"], bent: ["s1", "s2", "shear", "bend"] };
const NARROW = 560;

class Jacobian extends Section {
  build() {
    this.kind = this.choice("map", MAPS.map(([name]) => name));
    for (const [key, , low, high, usual] of RULES) this[key] = this.asked(key, low, high, usual);
    const at = (this.settings.query.at ?? "").split(",").map(Number);
    this.at = at.length === 2 && at.every(Number.isFinite) ? at.map((value) => this.within(value)) : [0.8, -0.6];
    this.said = node(this.root, "p", "lx-said");
    const row = node(this.root, "div", "lx-row");
    choices(row, { name: "Map", options: MAPS, value: this.kind, change: (kind) => this.take("kind", kind) });
    this.picture = drawing(this.root, "A grid in ε, and in z");
    draggable(this.picture.svg, () => this.handles ?? []);
    const controls = node(this.root, "div", "lx-controls");
    this.sliders = Object.fromEntries(RULES.map(([key, name, low, high]) => [
      key, slider(controls, { name, low, high, value: this[key], words: signedTwo, input: (value) => this.take(key, value) }),
    ]));
    for (const [axis, name] of ["ε1", "ε2"].entries()) {
      this.sliders[name] = slider(controls, { name, low: -3, high: 3, value: this.at[axis], words: signedTwo, input: (value) => this.put(this.at.with(axis, value)) });
    }
    this.badge = createBadge(this.root);
    const draws = noise(2 * DOTS, 5);
    this.dots = Array.from({ length: DOTS }, (_, index) => [draws[2 * index], draws[2 * index + 1]]);
    this.allow();
  }

  within(value) {
    return Math.max(-3, Math.min(3, value));
  }

  take(key, value) {
    this[key] = value;
    this.allow();
    this.moved();
  }

  put(at) {
    this.at = at.map((value) => this.within(value));
    ["ε1", "ε2"].forEach((name, axis) => this.sliders[name].put(this.at[axis]));
    this.moved();
  }

  allow() {
    for (const [key] of RULES) this.sliders[key].row.hidden = !USES[this.kind].includes(key);
  }

  moved() {
    const used = Object.fromEntries(USES[this.kind].map((key) => [key, this[key]]));
    this.tell({ map: this.kind, at: this.at.map((value) => +value.toFixed(3)).join(","), ...used });
    this.redraw();
  }

  get map() {
    const uses = (key) => (USES[this.kind].includes(key) ? this[key] : 0);
    return new PlaneMap({ shift: SHIFT, factor: [[this.s1, 0], [uses("shear"), this.s2]], bend: uses("bend") });
  }

  draw() {
    const { map, at } = this;
    const width = this.root.clientWidth;
    const narrow = width < NARROW;
    const side = Math.min(380, narrow ? width - 8 : (width - 48) / 2);
    this.picture.clear(width, narrow ? 2 * side + 60 : side + 8, `A grid in ε and its image under the map`);
    const one = this.plane({ left: 4, top: 4, size: side }, (point) => point, "ε");
    const other = this.plane(narrow ? { left: 4, top: side + 40, size: side } : { left: side + 44, top: 4, size: side }, (point) => map.forward(point), "z");
    this.handles = [
      { at: this.spot(one, at), move: (pixel) => this.put(this.place(one, pixel)) },
      { at: this.spot(other, map.forward(at)), move: (pixel) => this.put(map.backward(this.place(other, pixel))) },
    ];
    this.report(map);
  }

  spot({ x, y }, point) {
    const [a, b] = this.held(point);
    return [x(a), y(b)];
  }

  held(point) {
    return point.map((value) => Math.max(-EDGE, Math.min(EDGE, value)));
  }

  place({ x, y }, [a, b]) {
    return [x.back(a), y.back(b)];
  }

  plane({ left, top, size }, seen, name) {
    const x = straight([-REACH, REACH], [left, left + size]);
    const y = straight([-REACH, REACH], [top + size, top]);
    const plot = panel(this.clipped(left, top, size), { left, top, width: size, height: size }, x, y);
    for (const value of LINES) {
      const along = Array.from({ length: 31 }, (_, index) => -3 + index / 5);
      const style = "lx-thin lx-faint";
      for (const turn of [false, true]) {
        const line = plot.line(along.map((other) => seen(turn ? [other, value] : [value, other])), style);
        if (value !== 0) set(line, { "stroke-opacity": 0.3 });
      }
    }
    const dots = this.dots.map(seen).map(([a, b]) => `M${x(a).toFixed(1)},${y(b).toFixed(1)}h0`).join("");
    set(shape(plot.group, "path", "lx-line"), { d: dots, "stroke-opacity": 0.4, style: "stroke-width: 3.6; stroke-linecap: round" });
    const corners = this.corners();
    const path = this.edges(corners).map(seen).map(([a, b]) => `${x(a).toFixed(2)},${y(b).toFixed(2)}`).join("L");
    set(shape(plot.group, "path", ""), { d: `M${path}Z`, fill: "currentColor", "fill-opacity": 0.22, stroke: "currentColor", "stroke-width": 1.5 });
    const [a, b] = seen(this.at);
    plot.circle(...this.held([a, b]), 5, "lx-handle");
    // In the corners left of the point, unless it is in one of them.
    const words = (style, up, text) => {
      const away = a < 0 && b > 0 === up;
      write(shape(plot.group, "text", `lx-label ${style} ${away ? "lx-end" : ""}`), away ? left + size - 8 : left + 8, up ? top + 12 : top + size - 14, text);
    };
    words("lx-strong", true, name === "ε" ? "ε from N(0, I)" : "z from q(z|x)");
    words("", false, name === "ε" ? "square: area 1" : `area ${short(area(this.edges(corners).map(seen)) / CELL ** 2)}`);
    raiseAll(plot.group);
    return { x, y };
  }

  // What lies outside of a plane is not shown.
  clipped(left, top, size) {
    const id = `lx-plane-${left > 20 || top > 20 ? "z" : "e"}`;
    const clip = shape(this.picture.svg, "clipPath", "", { id });
    shape(clip, "rect", "", { x: left, y: top, width: size, height: size });
    const frame = shape(this.picture.svg, "rect", "lx-grid", { x: left, y: top, width: size, height: size, rx: 6 });
    set(frame, { fill: "none" });
    return shape(this.picture.svg, "g", "", { "clip-path": `url(#${id})` });
  }

  corners() {
    const [a, b] = this.at;
    const half = CELL / 2;
    return [[a - half, b - half], [a + half, b - half], [a + half, b + half], [a - half, b + half]];
  }

  // Points along the edges, for those of a bent square are not straight.
  edges(corners) {
    return corners.flatMap(([a, b], index) => {
      const [c, d] = corners[(index + 1) % 4];
      return Array.from({ length: 8 }, (_, step) => [a + (step / 8) * (c - a), b + (step / 8) * (d - b)]);
    });
  }

  report(map) {
    const { logNoise, logVolume, changed, direct } = bothSides(map, this.at);
    const sign = logVolume < 0 ? "+" : "\u2212";
    this.said.textContent = `ln q(z) = ln p(ε) − ln d = ${signedTwo(logNoise)} ${sign} ${signedTwo(Math.abs(logVolume))} = ${signedTwo(differenceOfPrinted(logNoise, logVolume))}; d = ${short(Math.exp(logVolume))} here.`;
    raise(this.said);
    Object.assign(this.root.dataset, { changed, direct, volume: Math.exp(logVolume), at: this.at.map((value) => value.toFixed(3)).join(",") });
    this.badge.write({
      one: changed, other: direct, within: WITHIN,
      words: (difference) => `the right side, by differentiating the map, and the density of z, by its inverse, differ by ${difference} nats.`,
    });
  }
}

export const mountJacobian = mounting(Jacobian);
