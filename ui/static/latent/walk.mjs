// Walks through the latent space: from one image to another, along one dimension, along an attribute. It needs no
// framework: mountWalk(element, { base: "/api/runs/NAME" }) is all that a page has to say.

import { node, styled } from "../run/nodes.mjs";
import { themeAround } from "../run/palette.mjs";
import { Cloud } from "./cloud.mjs";
import { loadDecoder } from "./decoder.mjs";
import { Tiles } from "./tiles.mjs";
import { AttributeView } from "./walk_attribute.mjs";
import { Density } from "./walk_density.mjs";
import { DimensionsView } from "./walk_dimensions.mjs";
import { Gallery } from "./walk_gallery.mjs";
import { PathView } from "./walk_path.mjs";
import { Tabs } from "./walk_tabs.mjs";
import { farthest } from "./walk_tiles.mjs";

const DEFAULTS = { base: "", theme: undefined, query: {}, onState: () => {} };
const VIEWS = [["images", "From image to image", PathView], ["dimensions", "One dimension at a time", DimensionsView], ["attributes", "Attributes", AttributeView]];
const NO_LABEL = 255;
const QUIET = 200; // ms after the last change, until the address is told

const dressed = () => Promise.all(["canvas.css", "walk.css"].map((name) => styled(new URL(name, import.meta.url).href)));
const within = (value, low, high, otherwise) => (Number.isFinite(value) ? Math.max(low, Math.min(high, value)) : otherwise);

class Walk {
  constructor(element, options) {
    Object.assign(this, { cloud: null, ends: {}, kind: "linear", share: 0.5, asked: 0, usual: null });
    this.abort = new AbortController();
    this.build(element);
    this.observer = new ResizeObserver(() => this.redraw());
    this.observer.observe(this.root);
    dressed().then(() => {
      this.dressed = true;
      this.redraw();
    });
    this.update(options);
  }

  build(element) {
    this.root = node(element, "section", "lc-figure wk-figure");
    Object.assign(this.root.dataset, { testid: "walk", ready: 0, share: 0.5, decodes: 0 });
    this.tabs = new Tabs(this.root, "Ways to walk", (name) => this.open(name));
    this.said = node(this.root, "p", "wk-note");
    this.said.setAttribute("role", "status");
    this.body = node(this.root, "div", "wk-body");
    this.gallery = new Gallery(this.body, this);
    this.lacks = node(this.body, "p", "lc-words");
    this.baseRow = this.createBase();
    this.views = VIEWS.map(([name, words, View]) => ({ name, view: new View(this.tabs.add(name, words, this.body), this) }));
  }

  createBase() {
    const box = node(this.body, "label", "lc-choice wk-base");
    node(box, "span", "", "around image");
    const input = Object.assign(node(box, "input", ""), { type: "range", min: 0, step: 1, ariaLabel: "The image around whose code is walked" });
    const words = node(box, "output", "");
    input.addEventListener("input", () => this.take("base", this.end(Number(input.value))));
    return { box, input, words };
  }

  update(options = {}) {
    this.settings = { ...DEFAULTS, ...this.settings, ...options };
    if (this.settings.base !== this.base) this.load();
    this.redraw();
  }

  async load() {
    const turn = (this.asked += 1);
    this.base = this.settings.base;
    const { step, split, ...asked } = this.settings.query;
    this.root.dataset.ready = 0;
    this.body.hidden = true;
    try {
      const query = Object.fromEntries(Object.entries({ step, split }).filter(([, value]) => value !== undefined));
      this.note("Reading the codes…");
      const cloud = await Cloud.read(this.base, query, (message) => turn === this.asked && this.note(message), this.abort.signal);
      if (turn !== this.asked) return;
      this.note("Loading the decoder…");
      const { head } = cloud;
      const decoder = head.decoder ? await loadDecoder(head.decoder, `${this.base}/decode?step=${head.step}`) : null;
      if (turn !== this.asked || this.abort.signal.aborted) return;
      this.note("");
      this.takeIn(cloud, decoder, asked);
    } catch (error) {
      if (!this.abort.signal.aborted && turn === this.asked) this.note(error.message);
    }
  }

  takeIn(cloud, decoder, asked) {
    const { head } = cloud;
    if (cloud.count < 2) return this.note("A walk needs two images; this run has fewer.");
    const { shape } = head;
    Object.assign(this, { cloud, decoder, shape, size: shape.channels * shape.width * shape.height, usual: null, referring: null });
    this.names = new Map(head.classes);
    this.density = new Density(cloud);
    this.tiles = head.tiles && new Tiles(head.tiles, () => this.gallery.redraw());
    this.lacks.textContent = this.tiles ? "" : `This model came without images; ${decoder ? "their codes are shown decoded" : "their codes are shown by number"}.`;
    this.lacks.hidden = Boolean(this.tiles);
    this.root.dataset.decoder = decoder?.where ?? "none";
    this.body.hidden = false;
    this.begin(asked);
    for (const { view } of this.views) view.open();
    this.gallery.fill();
    this.open(VIEWS.some(([name]) => name === asked.view) ? asked.view : "images");
  }

  /** The first state: what the address asks for, else two offered images far apart. */
  begin({ from, to, kind, at, around }) {
    this.gallery.fill();
    const [first, last] = farthest(this.cloud, this.gallery.offered);
    const index = (text, otherwise) => (/^\d+$/.test(text ?? "") && Number(text) < this.cloud.count ? Number(text) : otherwise);
    const start = index(from, first);
    this.ends = { A: this.end(start), B: this.end(index(to, start === last ? first : last)), base: this.end(index(around, first)) };
    this.kind = kind === "spherical" && this.cloud.latent > 1 ? "spherical" : "linear";
    this.share = within(parseFloat(at), 0, 1, 0.5);
    Object.assign(this.root.dataset, { share: this.share, kind: this.kind });
    Object.assign(this.baseRow.input, { max: this.cloud.count - 1 });
  }

  end(index) {
    return { index, z: Array.from(this.cloud.code(index)), pixels: null };
  }

  /** What an image is called. */
  title(index) {
    const label = this.cloud.label?.[index] ?? NO_LABEL;
    return label === NO_LABEL ? `image ${index}` : `image ${index}, class ${this.names.get(label) ?? label}`;
  }

  get here() {
    return this.views.find(({ name }) => name === this.view);
  }

  /** Goes to one of the views. */
  open(name) {
    this.view = name;
    this.tabs.show(name);
    this.root.dataset.view = name;
    if (!this.cloud) return;
    this.baseRow.box.hidden = name === "images";
    this.gallery.offerSlots(name === "images" ? ["A", "B"] : ["base"]);
    this.anew();
  }

  // After another end or view.
  anew() {
    const { index } = this.ends.base;
    if (index !== null) this.baseRow.input.value = index;
    this.baseRow.words.textContent = index === null ? "your own image" : this.title(index);
    this.gallery.redraw();
    this.here.view.measure();
    this.redraw();
    this.tell();
  }

  /** An image for a slot. */
  take(slot, end) {
    this.ends[slot] = end;
    this.anew();
  }

  /** An image from outside, pixels [c, h, w] as bytes, and where the encoder sees it: it goes to the slot that is chosen. */
  welcome({ mean }, bytes) {
    this.take(this.gallery.active, { index: null, z: mean, pixels: Float32Array.from(bytes, (value) => value / 255) });
  }

  /** To a share of the way. */
  go(share) {
    this.share = share;
    this.root.dataset.share = share;
    this.moving ||= requestAnimationFrame(() => {
      this.moving = 0;
      if (this.cloud) this.here.view.point?.();
    });
  }

  /** Along the straight or the spherical path. */
  turn(kind) {
    this.kind = kind;
    this.root.dataset.kind = kind;
    this.here.view.point();
    this.redraw();
    this.tell();
  }

  /** What is usual for ln q(z); looked up once for a cloud. */
  async reference() {
    const { cloud } = this;
    this.referring ??= this.density.reference(() => this.cloud === cloud && !this.abort.signal.aborted);
    const found = await this.referring;
    if (this.cloud === cloud) this.usual = found;
  }

  // Addresses may not be written as often as a slider moves.
  tell() {
    clearTimeout(this.telling);
    this.telling = setTimeout(() => {
      const { A, B, base } = this.ends;
      const known = { from: A.index, to: B.index, around: base.index, kind: this.kind, at: +this.share.toFixed(3), view: this.view };
      this.settings.onState(Object.fromEntries(Object.entries(known).filter(([, value]) => value !== null)));
    }, QUIET);
  }

  note(words) {
    this.said.textContent = words;
    this.said.hidden = !words;
  }

  get theme() {
    return this.settings.theme ?? this.root.dataset.theme ?? "light";
  }

  redraw() {
    this.drawing ||= requestAnimationFrame(() => {
      this.drawing = 0;
      if (this.dressed) this.draw();
    });
  }

  draw() {
    const theme = this.settings.theme ?? themeAround(this.root);
    const changed = theme !== this.root.dataset.theme;
    this.root.dataset.theme = theme;
    if (!this.cloud) return;
    if (changed) this.gallery.redraw();
    this.here.view.redraw();
  }

  destroy() {
    this.abort.abort();
    this.observer.disconnect();
    cancelAnimationFrame(this.drawing);
    cancelAnimationFrame(this.moving);
    clearTimeout(this.telling);
    this.root.remove();
  }
}

/** Builds the walk inside an element; `update` changes its options, `destroy` takes it away. */
export function mountWalk(element, options) {
  const walk = new Walk(element, options);
  return { root: walk.root, update: (changes) => walk.update(changes), destroy: () => walk.destroy(), walk };
}
