// The latent canvas: the map of a run's codes, and the decoder that follows the pointer. It needs no framework:
// mountCanvas(element, { base: "/api/runs/NAME" }) is all that a page has to say.

import { node, styled } from "../run/nodes.mjs";
import { themeAround } from "../run/palette.mjs";
import { createBar, createScrubber } from "./bar.mjs";
import { Cloud } from "./cloud.mjs";
import { Follower, loadDecoder } from "./decoder.mjs";
import { bounds, centroids } from "./geometry.mjs";
import { createGuests } from "./guests.mjs";
import { listen } from "./hands.mjs";
import { Layers } from "./layers.mjs";
import { Marks } from "./marks.mjs";
import { createDimensions, createPicture } from "./panels.mjs";
import { Point } from "./point.mjs";
import { createPrior } from "./prior.mjs";
import { Tiles } from "./tiles.mjs";
import { View } from "./view.mjs";

const DEFAULTS = {
  base: "",
  theme: undefined,
  query: {},
  walk: "walk", // the page that walks from one image to another; none: no way there
  onState: () => {},
};

class Canvas {
  constructor(element, options) {
    Object.assign(this, { view: new View(), point: new Point(this), mode: "point", cloud: null, query: {}, asked: 0 });
    this.abort = new AbortController();
    this.build(element);
    this.observer = new ResizeObserver(() => this.resize());
    this.observer.observe(this.map);
    styled(new URL("canvas.css", import.meta.url).href).then(() => {
      this.dressed = true;
      this.resize();
    });
    this.update(options);
  }

  build(element) {
    this.root = node(element, "section", "lc-figure");
    Object.assign(this.root.dataset, { testid: "latent-canvas", ready: 0 });
    this.bar = createBar(this.root, this);
    const body = node(this.root, "div", "lc-body");
    this.map = node(body, "div", "lc-map");
    this.layers = new Layers(this.map);
    this.root.dataset.renderer = this.layers.scatter.kind;
    this.surface = node(this.map, "div", "lc-surface");
    Object.assign(this.surface, { tabIndex: 0, ariaLabel: "Map of the codes. Arrows move the point, plus and minus zoom, 0 shows all, Enter holds." });
    this.surface.setAttribute("role", "application");
    this.surface.dataset.testid = "latent-surface";
    this.said = node(this.map, "p", "lc-note");
    this.said.setAttribute("role", "status");
    const side = node(body, "aside", "lc-side");
    this.picture = createPicture(side);
    this.dimensions = createDimensions(side, (dimension, value) => this.point.slide(dimension, value));
    this.guests = createGuests(side, this);
    const foot = node(this.root, "div", "lc-foot");
    this.marks = new Marks(this, foot);
    this.scrubber = createScrubber(foot, this);
    this.writePrior = createPrior(this.root, this);
    listen(this.surface, this);
  }

  update(options = {}) {
    this.settings = { ...DEFAULTS, ...this.settings, ...options };
    if (this.settings.base !== this.base) this.open();
    this.redraw();
  }

  open() {
    this.base = this.settings.base;
    Object.assign(this, { cloud: null, decoder: null, tiles: null });
    this.point.forget();
    this.marks.forget();
    this.go({ ...this.settings.query });
  }

  /** Shows another step, split or projection: `changes` of the query. */
  async go(changes) {
    this.query = { ...this.query, ...changes };
    const turn = (this.asked += 1);
    try {
      this.note("Reading the codes…");
      const cloud = await Cloud.read(this.base, this.query, (message, share) => turn === this.asked && this.note(message, share), this.abort.signal);
      if (turn === this.asked) await this.takeIn(cloud);
    } catch (error) {
      if (!this.abort.signal.aborted && turn === this.asked) this.note(error.message);
    }
  }

  async takeIn(cloud) {
    const { head } = cloud;
    const before = this.cloud;
    const alike = before && before.count === cloud.count && before.head.method === head.method && before.head.split === head.split && head.linear;
    Object.assign(this, { cloud, baseCode: Float32Array.from(head.base) });
    this.layers.manifold = null;
    this.names = new Map(head.classes);
    this.shape = head.shape;
    if (!before || before.head.tiles?.url !== head.tiles?.url) this.tiles = head.tiles && new Tiles(head.tiles, () => this.point.rest());
    this.marks.takeIn(cloud, alike);
    this.classes = cloud.label ? centroids(cloud.points, cloud.label).map(([label, place]) => [label, this.names.get(label) ?? String(label), place]) : [];
    this.dimensions.build({ order: head.order, kl: head.kl, active: head.active, reach: head.reach });
    this.bar.write(head);
    this.scrubber(head);
    this.guests.show(head.encodes);
    this.note("");
    this.marks.write();
    if (alike) await this.layers.travel(before.points, cloud.points, () => this.draw());
    else this.view.fit(bounds(cloud.points));
    this.layers.fill("place", cloud.points);
    await this.load(head);
    this.point.put(this.point.pinned && head.linear ? cloud.place(this.point.z) : [...this.view.centre]);
    this.root.dataset.ready = 1;
    Object.assign(this.root.dataset, { step: head.step, method: head.method, points: cloud.count });
    this.settings.onState(this.query);
    this.redraw();
    this.layers.lay(this);
    this.writePrior();
  }

  async load(head) {
    if (this.model === head.decoder) return;
    this.model = head.decoder;
    this.note("Loading the decoder…");
    this.decoder = head.decoder ? await loadDecoder(head.decoder, `${this.base}/decode?step=${head.step}`) : null;
    this.note("");
    this.root.dataset.decoder = this.decoder?.where ?? "none";
    const shown = (pixels, z, spent, late, error) => this.decoded(pixels, z, spent, late, error);
    this.follower = this.decoder && new Follower(this.decoder, head.latent, shown);
    if (!this.decoder) this.picture.fail("This model came without a decoder.");
  }

  decoded(pixels, z, spent, late, error) {
    if (error) return this.picture.fail(error.message);
    const { where, reason } = this.decoder;
    const what = this.cloud.linear ? "" : "the nearest image’s code, for UMAP has no way back: ";
    this.picture.draw(pixels, z, spent, this.shape, this.theme, [what, reason ? `${where} (${reason})` : where]);
    this.root.dataset.late = late.toFixed(2);
  }

  welcome(guest) {
    this.point.welcome(guest);
  }

  /** The address of a walk from an example, to another one or to one that is far from it; none where there is no walk. */
  walkFrom(from, to) {
    const { settings: { walk }, cloud, query: { step, split } } = this;
    if (!walk || cloud.count < 2) return null;
    const asked = Object.entries({ run: cloud.head.name, from, to, step, split }).filter(([, value]) => value !== undefined);
    return `${walk}?${new URLSearchParams(asked)}`;
  }

  note(words, share) {
    this.said.textContent = Number.isFinite(share) ? `${words} ${Math.round(100 * share)} %` : words;
    this.said.hidden = !words;
  }

  resize() {
    const { clientWidth: width, clientHeight: height } = this.map;
    if (!width || !height) return;
    this.layers.resize(width, height);
    this.view.resize(width, height);
    this.redraw();
  }

  redraw() {
    this.drawing ||= requestAnimationFrame(() => {
      this.drawing = 0;
      this.draw();
    });
  }

  get theme() {
    return this.settings.theme ?? this.root.dataset.theme ?? "light";
  }

  // The theme of the page may have been changed since.
  dress() {
    const theme = this.settings.theme ?? themeAround(this.root);
    if (theme === this.root.dataset.theme) return;
    this.root.dataset.theme = theme;
    const style = getComputedStyle(this.root);
    this.colours = Object.fromEntries(["page", "ink", "muted", "rule", "blue"].map((name) => [name, style.getPropertyValue(`--lc-${name}`).trim()]));
    if (!this.cloud) return;
    this.marks.colourise();
    if (this.point.z) this.point.ask(performance.now());
    this.layers.lay(this);
    this.writePrior();
  }

  draw() {
    if (!this.dressed) return;
    this.dress();
    if (!this.cloud || !this.layers.ratio) return;
    if (this.point.moved) this.dimensions.write(this.point.z);
    this.point.moved = false;
    this.layers.draw(this);
  }

  destroy() {
    this.abort.abort();
    this.observer.disconnect();
    cancelAnimationFrame(this.drawing);
    this.point.destroy();
    this.root.remove();
  }
}

/** Builds the canvas inside an element; `update` changes its options, `destroy` takes it away. */
export function mountCanvas(element, options) {
  const canvas = new Canvas(element, options);
  return { root: canvas.root, update: (changes) => canvas.update(changes), destroy: () => canvas.destroy(), canvas };
}
