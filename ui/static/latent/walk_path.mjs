// From one image to another: the strips, the slider, the picture under it, and what tells smooth from plausible.

import { node, set, shape as svgShape } from "../run/nodes.mjs";
import { download } from "../run/picture.mjs";
import { decodeAll, Follower } from "./decoder.mjs";
import { show } from "./picture.mjs";
import { createCharts } from "./walk_charts.mjs";
import { film, stripPicture } from "./walk_files.mjs";
import { norm, pathLength, PATHS, shell, walk as steps } from "./walk_maths.mjs";
import { Row } from "./walk_tiles.mjs";
import { NAMES, unused, verdict } from "./walk_words.mjs";

const POINTS = 41; // of a path
const TILES = 11; // of them shown
const EVERY = (POINTS - 1) / (TILES - 1);
const LABELS = 148; // pixels on the right for the names of lines
const TICKS = 40; // on the left for numbers
const WIDEST = 50; // pixels of a tile
const NARROW = 520;

function button(parent, words, act) {
  const element = Object.assign(node(parent, "button", "lc-button", words), { type: "button" });
  element.addEventListener("click", () => act(element));
  return element;
}

export class PathView {
  constructor(parent, walk) {
    Object.assign(this, { walk, paths: [], asked: 0, done: false });
    this.root = node(parent, "div", "wk-path");
    this.side();
    this.main = node(this.root, "div", "wk-main");
    this.strips = ["linear", "spherical"].map((kind) => this.strip(kind));
    this.input = Object.assign(node(this.main, "input", "wk-slider"), { type: "range", min: 0, max: 1, step: 0.005, ariaLabel: "Share of the way from A to B" });
    this.input.addEventListener("input", () => walk.go(Number(this.input.value)));
    this.input.addEventListener("change", () => walk.tell());
    this.charts = createCharts(this.main);
    this.said = node(this.root, "p", "wk-verdict");
    this.said.setAttribute("role", "status");
    this.dead = node(this.root, "p", "lc-words");
  }

  side() {
    const { walk } = this;
    const side = node(this.root, "div", "wk-side");
    this.picture = node(side, "canvas", "lc-decoded");
    set(this.picture, { role: "img", "aria-label": "The image at the slider's place", "data-testid": "walk-picture" });
    this.words = node(side, "p", "lc-words");
    this.kinds = node(side, "div", "lc-modes");
    set(this.kinds, { role: "group", "aria-label": "Path" });
    this.switches = [["linear", "Straight"], ["spherical", "Spherical"]].map(([kind, words]) => {
      const element = Object.assign(node(this.kinds, "button", "lc-mode", words), { type: "button" });
      element.addEventListener("click", () => walk.turn(kind));
      return [kind, element];
    });
    const bar = node(side, "div", "lc-bar wk-files");
    this.files = [button(bar, "PNG of the strips", () => this.savePicture()), button(bar, "GIF there and back", (element) => this.saveFilm(element))];
  }

  strip(kind) {
    const row = new Row(this.main, TILES, "wk-strip");
    row.box.dataset.kind = kind;
    set(row.box, { role: "img", "aria-label": `Pictures along the ${NAMES[kind]} path, from A to B` });
    row.canvases.forEach((canvas, place) => canvas.addEventListener("click", () => {
      this.walk.turn(kind);
      this.walk.go(place / (TILES - 1));
      this.walk.tell();
    }));
    const name = node(row.box, "span", "wk-strip-name");
    const line = svgShape(name, "svg", "wk-sample", { width: 26, height: 8, "aria-hidden": "true" });
    svgShape(line, "path", `wk-line wk-${kind}`, { d: "M0,4H26" });
    node(name, "span", "", NAMES[kind]);
    return { kind, row, line, name };
  }

  get kindsShown() {
    return this.walk.cloud.latent === 1 ? ["linear"] : ["linear", "spherical"];
  }

  /** A cloud has come: what does not change with the ends. */
  open() {
    const { walk } = this;
    const { head, latent } = walk.cloud;
    this.shell = { low: shell(latent, 0.05), high: shell(latent, 0.95), words: "the prior, 5–95 %" };
    const shown = (pixels, z, spent, late, error) => this.decoded(pixels, spent, error);
    this.follower = walk.decoder && new Follower(walk.decoder, latent, shown);
    this.kinds.hidden = latent === 1;
    for (const { kind, row } of this.strips) row.box.hidden = !walk.decoder || !this.kindsShown.includes(kind);
    this.picture.hidden = !walk.decoder;
    for (const file of this.files) file.hidden = !walk.decoder;
    this.words.textContent = walk.decoder ? "" : "This model came without a decoder, so there are no pictures of the way.";
    this.dead.textContent = [unused(head.active), latent === 1 ? "With one dimension there is only the straight path." : ""].filter(Boolean).join(" ");
  }

  /** The ends have changed: both paths anew, numbers first, then pictures. */
  async measure() {
    const { walk } = this;
    const turn = (this.asked += 1);
    const wanted = () => turn === this.asked && !walk.abort.signal.aborted;
    const { A, B } = walk.ends;
    walk.root.dataset.ready = 0;
    this.paths = this.kindsShown.map((kind) => {
      const codes = steps(kind, A.z, B.z, POINTS);
      return { kind, codes, norm: codes.map(norm) };
    });
    this.said.textContent = "";
    this.point();
    if (await this.picturesOf(wanted) === null) return;
    for (const path of this.paths) path.density = await walk.density.of(path.codes, wanted);
    if (!wanted()) return;
    this.redraw();
    await walk.reference();
    if (!wanted()) return;
    this.redraw();
    walk.root.dataset.ready = 1;
  }

  async picturesOf(wanted) {
    const { walk } = this;
    if (!walk.decoder) return undefined;
    const size = walk.size;
    try {
      for (const path of this.paths) {
        const { row } = this.strips.find(({ kind }) => kind === path.kind);
        path.pixels = await decodeAll(walk.decoder, path.codes, wanted, (pixels, start, number) => {
          for (let step = start; step < start + number; step += 1) if (step % EVERY === 0) row.put(step / EVERY, pixels, step * size, walk);
        });
        if (!path.pixels) return null;
        path.length = pathLength(path.pixels, size);
      }
    } catch (error) {
      this.words.textContent = error.message;
    }
    return undefined;
  }

  /** Everything that hangs on the paths, the width or the theme. */
  redraw() {
    const { walk } = this;
    if (!walk.cloud || !this.paths.length || !this.main.clientWidth) return;
    const usual = { norm: { band: this.shell } };
    if (walk.usual) {
      const { median, low, high } = walk.usual;
      usual.density = { band: { low, high, words: "draws of q, 5–95 %" }, line: { value: median, words: "median image" } };
    }
    const known = walk.usual && this.paths.every(({ density }) => density);
    if (known) this.said.textContent = verdict(this.paths, walk.usual.low, walk.size);
    const why = { length: walk.decoder ? "…" : "there is no decoder" };
    this.charts.draw({ paths: this.paths, kind: walk.kind, usual, why, words: this.said.textContent }, this.place());
    for (const { row, line, kind } of this.strips) {
      row.redraw(walk);
      set(line.firstChild, { "data-chosen": kind === walk.kind });
      row.box.dataset.chosen = kind === walk.kind;
    }
    for (const [kind, element] of this.switches) element.ariaPressed = String(kind === walk.kind);
    if (this.last) show(this.picture, this.last, walk.shape, walk.theme);
    this.read();
  }

  // The axis that strips, slider and panels share, in pixels.
  place() {
    const width = this.main.clientWidth;
    const narrow = width < NARROW;
    const tile = Math.min(WIDEST, (width - (narrow ? 44 : LABELS + TICKS)) / TILES);
    const left = Math.max(narrow ? 26 : TICKS, tile / 2);
    const right = width - (narrow ? Math.max(8, tile / 2) : LABELS);
    const style = this.main.style;
    for (const [name, value] of Object.entries({ tile, left, way: right - left, right: width - right })) style.setProperty(`--wk-${name}`, `${value}px`);
    for (const { row } of this.strips) row.canvases.forEach((canvas, index) => canvas.style.setProperty("--wk-share", index / (TILES - 1)));
    return { width, left, right, narrow, x: (share) => left + share * (right - left) };
  }

  /** The slider, or the path, has moved. */
  point() {
    const { walk } = this;
    this.z = PATHS[walk.kind](walk.ends.A.z, walk.ends.B.z, walk.share);
    this.follower?.ask(this.z, performance.now());
    this.input.value = walk.share;
    this.input.ariaValueText = `${Math.round(100 * walk.share)} % of the way`;
    this.read();
  }

  read() {
    const { walk } = this;
    const { length } = this.paths.find(({ kind }) => kind === walk.kind) ?? {};
    const at = walk.share * (POINTS - 1);
    const [below, above] = [Math.floor(at), Math.ceil(at)];
    this.readings = {
      norm: norm(this.z), density: walk.density.at(this.z),
      length: length ? length[below] + (at - below) * (length[above] - length[below]) : NaN,
    };
    this.charts.point(walk.share, this.readings);
  }

  decoded(pixels, spent, error) {
    const { walk } = this;
    if (error) return void (this.words.textContent = error.message);
    this.last = pixels;
    show(this.picture, pixels, walk.shape, walk.theme);
    this.picture.style.aspectRatio = `${walk.shape.width} / ${walk.shape.height}`;
    walk.root.dataset.decodes = Number(walk.root.dataset.decodes) + 1;
    this.words.textContent = `decoded ${walk.decoder.where}, ${spent.toFixed(1)} ms`;
  }

  get finished() {
    return this.paths.length > 0 && this.paths.every(({ pixels }) => pixels);
  }

  // Every so many pictures of a path.
  some({ pixels }, every) {
    const { size } = this.walk;
    const kept = Array.from({ length: (POINTS - 1) / every + 1 }, (_, index) => pixels.subarray(index * every * size, (index * every + 1) * size));
    return Float32Array.from(kept.flatMap((picture) => [...picture]));
  }

  async savePicture() {
    const { walk } = this;
    if (!this.finished) return;
    const strips = this.paths.map((path) => ({ kind: path.kind, pixels: this.some(path, EVERY) }));
    const style = getComputedStyle(walk.root);
    const colours = Object.fromEntries(["page", "ink"].map((name) => [name, style.getPropertyValue(`--wk-${name}`).trim()]));
    download(`${walk.cloud.head.name}-walk.png`, await stripPicture(strips, walk.shape, walk.theme, colours));
  }

  async saveFilm(element) {
    const { walk } = this;
    if (!this.finished) return;
    element.disabled = true;
    const path = this.paths.find(({ kind }) => kind === walk.kind);
    download(`${walk.cloud.head.name}-walk.gif`, await film(this.some(path, 2), walk.shape, walk.theme));
    element.disabled = false;
  }
}
