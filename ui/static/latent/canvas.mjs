// The latent canvas: the map of a run's codes, and the decoder that follows the pointer. It needs no framework:
// mountCanvas(element, { base: "/api/runs/NAME" }) is all that a page has to say.

import { node } from "../run/nodes.mjs";
import { themeAround } from "../run/palette.mjs";
import { download } from "../run/picture.mjs";
import { createBar, createScrubber } from "./bar.mjs";
import { Cloud } from "./cloud.mjs";
import { byClass, byNumber } from "./colours.mjs";
import { readColumn } from "./columns.mjs";
import { Follower, loadDecoder } from "./decoder.mjs";
import { bounds, centroids, inside } from "./geometry.mjs";
import { listen } from "./hands.mjs";
import { createGuests } from "./guests.mjs";
import { decodeManifold, drawManifold } from "./manifold.mjs";
import { drawOver } from "./overlay.mjs";
import { createDimensions, createLegend, createPicture, createSelection } from "./panels.mjs";
import { createPrior } from "./prior.mjs";
import { createScatter } from "./scatter.mjs";
import { Tiles } from "./tiles.mjs";
import { View } from "./view.mjs";
import { summarise, table } from "./words.mjs";

const IDLE = 70; // ms without a move, after which the neighbours are looked for
const TOUCH = 8; // pixels from a point that count as on it
const TURN = 300; // ms in which points move to their places at another step
const DEFAULTS = { base: "", theme: undefined, query: {}, onState: () => {} };
let style = null;

function styled() {
  style ??= new Promise((resolve) => {
    const link = Object.assign(document.createElement("link"), { rel: "stylesheet", href: new URL("canvas.css", import.meta.url).href });
    link.onload = link.onerror = resolve;
    document.head.append(link);
  });
  return style;
}

class Canvas {
  constructor(element, options) {
    Object.assign(this, {
      view: new View(), hidden: new Set(), selected: [], hovered: -1, place: null, pinned: false, mode: "point", colour: "label",
      cloud: null, query: {}, asked: 0, guest: null, extra: null,
    });
    this.abort = new AbortController();
    this.build(element);
    this.scatter = createScatter(this.points);
    this.root.dataset.renderer = this.scatter.kind;
    this.observer = new ResizeObserver(() => this.resize());
    this.observer.observe(this.map);
    styled().then(() => {
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
    [this.back, this.points, this.over] = ["lc-back", "lc-points", "lc-over"].map((name) => node(this.map, "canvas", name));
    this.surface = node(this.map, "div", "lc-surface");
    Object.assign(this.surface, { tabIndex: 0, ariaLabel: "Map of the codes. Arrows move the point, plus and minus zoom, 0 shows all, Enter holds." });
    this.surface.setAttribute("role", "application");
    this.surface.dataset.testid = "latent-surface";
    this.said = node(this.map, "p", "lc-note");
    this.said.setAttribute("role", "status");
    const side = node(body, "aside", "lc-side");
    this.picture = createPicture(side);
    this.dimensions = createDimensions(side, (dimension, value) => this.slide(dimension, value));
    this.guests = createGuests(side, this);
    const foot = node(this.root, "div", "lc-foot");
    this.legend = createLegend(foot, (label) => this.toggle(label));
    this.scrubber = createScrubber(foot, this);
    this.selection = createSelection(this.root, () => this.select([]), () => this.take());
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
    Object.assign(this, { cloud: null, decoder: null, tiles: null, hidden: new Set(), selected: [], guest: null, extra: null });
    this.go({ ...this.settings.query });
  }

  /** Shows another step, split or projection: `changes` of the query. */
  async go(changes) {
    this.query = { ...this.query, ...changes };
    const turn = (this.asked += 1);
    try {
      this.note("Reading the codes…");
      const cloud = await Cloud.read(this.base, this.query, (message, share) => turn === this.asked && this.note(message, share), this.abort.signal);
      if (turn === this.asked) await this.take_in(cloud);
    } catch (error) {
      if (!this.abort.signal.aborted && turn === this.asked) this.note(error.message);
    }
  }

  async take_in(cloud) {
    const { head } = cloud;
    const before = this.cloud;
    const alike = before && before.count === cloud.count && before.head.method === head.method && before.head.split === head.split && head.linear;
    Object.assign(this, { cloud, base_code: Float32Array.from(head.base), manifold: null });
    this.kept = new Uint8Array(cloud.count).fill(1);
    this.names = new Map(head.classes);
    this.shape = head.shape;
    if (!before || before.head.tiles?.url !== head.tiles?.url) this.tiles = head.tiles && new Tiles(head.tiles, () => this.idle());
    if (!alike) this.select([]);
    this.classes = cloud.label ? centroids(cloud.points, cloud.label).map(([label, place]) => [label, this.names.get(label) ?? String(label), place]) : [];
    this.dimensions.build({ order: head.order, kl: head.kl, active: head.active, reach: head.reach });
    if (this.colour !== "extra" && !head.measures.includes(this.colour)) [this.colour] = head.measures;
    this.bar.write(head);
    this.scrubber(head);
    this.guests.show(head.encodes);
    this.note("");
    this.colourise();
    this.sieve();
    if (alike) await this.travel(before.points);
    else this.view.fit(bounds(cloud.points));
    this.fill("place", cloud.points);
    await this.load(head);
    this.put(this.place && this.pinned && head.linear ? cloud.place(this.z) : [...this.view.centre]);
    this.root.dataset.ready = 1;
    Object.assign(this.root.dataset, { step: head.step, method: head.method, points: cloud.count });
    this.settings.onState(this.query);
    this.redraw();
    if (this.backdrop) this.lay();
    this.writePrior();
  }

  fill(name, values) {
    this.scatter.fill(name, values);
    this.stamp = "";
  }

  // Points move to their places at another step, so that the eye can follow them.
  async travel(from) {
    if (matchMedia("(prefers-reduced-motion: reduce)").matches) return;
    const to = this.cloud.points;
    const begun = performance.now();
    const between = new Float32Array(to.length);
    for (let share = 0; share < 1;) {
      share = Math.min(1, (performance.now() - begun) / TURN);
      for (let index = 0; index < to.length; index += 1) between[index] = from[index] + share * (to[index] - from[index]);
      this.fill("place", between);
      this.draw();
      await new Promise(requestAnimationFrame);
    }
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

  /** The point stands at a place of the map; z follows it, within the map's plane or to the nearest code. */
  put(place, at = performance.now()) {
    if (!this.cloud) return;
    this.place = place;
    const [index, far] = this.cloud.under(place);
    this.hovered = far * this.view.scale <= TOUCH ? index : -1;
    this.z = this.cloud.linear ? this.cloud.lift(place, this.z ?? this.base_code) : this.cloud.code(index);
    this.ask(at);
  }

  /** At a point of the data z is that example's own code, in all its dimensions. */
  hold(place) {
    if (!this.cloud) return;
    const [index, far] = this.cloud.under(place);
    const on = far * this.view.scale <= TOUCH;
    this.pinned = on || !this.pinned;
    if (on) Object.assign(this, { z: this.cloud.code(index), place: this.cloud.point(index), hovered: index });
    else this.put(place);
    this.ask(performance.now());
  }

  slide(dimension, value) {
    this.z = Float32Array.from(this.z ?? this.base_code);
    this.z[dimension] = value;
    this.pinned = true;
    if (this.cloud.linear) this.place = this.cloud.place(this.z);
    this.ask(performance.now());
  }

  ask(at) {
    this.follower?.ask(this.z, at);
    this.moved = true;
    this.redraw();
    clearTimeout(this.resting);
    this.resting = setTimeout(() => this.idle(), IDLE);
  }

  idle() {
    if (this.cloud && this.z) this.picture.near(this.cloud.nearest(this.z, 4), this.tiles, this.theme);
    this.redraw();
  }

  /** Sends an image [c, h, w] of bytes to the encoder. */
  async encode(bytes) {
    try {
      const response = await fetch(`${this.base}/encode?step=${this.cloud.head.step}`, { method: "POST", body: bytes, signal: this.abort.signal });
      const told = await response.json();
      if (!response.ok) throw new Error(told.error);
      this.note("");
      this.welcome(told);
    } catch (error) {
      this.note(error.message);
    }
  }

  /** Colours by a column of a file. */
  async colourBy(file) {
    try {
      const { name, values } = await readColumn(file, this.cloud.count);
      this.extra = { name, values };
      this.colour = "extra";
      this.bar.write(this.cloud.head);
      this.note("");
      this.paint("extra");
    } catch (error) {
      this.note(error.message);
    }
  }

  /** An image from outside, as the encoder sees it: the map goes there. */
  welcome(guest) {
    this.guest = guest;
    this.z = Float32Array.from(guest.mean);
    this.pinned = true;
    this.place = this.cloud.linear ? this.cloud.place(this.z) : this.cloud.point(this.cloud.nearest(this.z, 1)[0]);
    this.ask(performance.now());
  }

  toggle(label) {
    if (!this.hidden.delete(label)) this.hidden.add(label);
    this.sieve();
    this.colourise();
    this.redraw();
  }

  sieve() {
    const { cloud, hidden } = this;
    for (let index = 0; index < cloud.count; index += 1) this.kept[index] = cloud.label && hidden.has(cloud.label[index]) ? 0 : 1;
    for (const index of this.selected) if (this.kept[index]) this.kept[index] = 2;
    this.fill("kept", this.kept);
  }

  colourise() {
    const { cloud, colour, theme } = this;
    const values = colour === "label" ? null : colour === "extra" ? this.extra.values : cloud.measure(colour);
    this.fill("colour", values ? byNumber(values, colour, theme) : byClass(cloud.label, cloud.count, theme));
    if (values) this.legend.numbers(values, colour, { kl: "nats", reconstruction: "nats" }[colour] ?? "", theme);
    else this.legend.classes(cloud.head.classes, cloud.head.counts, this.hidden, theme);
  }

  paint(colour) {
    this.colour = colour;
    this.colourise();
    this.redraw();
  }

  /** Selects what lies inside a polygon of the map, of what is not hidden. */
  enclose(polygon) {
    const found = [];
    for (let index = 0; index < this.cloud.count; index += 1) if (this.kept[index] && inside(this.cloud.point(index), polygon)) found.push(index);
    this.select(found);
  }

  select(indices) {
    this.selected = indices;
    this.root.dataset.selected = indices.length;
    if (!indices.length) this.fence = null;
    if (this.cloud) this.sieve();
    const summary = indices.length ? { indices, words: summarise(this.cloud, indices, this.names) } : null;
    this.selection.draw(summary, this);
    this.redraw();
  }

  take() {
    download(`${this.cloud.head.name}-selection.csv`, new Blob([table(this.cloud, this.selected, this.names)], { type: "text/csv" }));
  }

  async lay(wanted = this.backdrop) {
    this.backdrop = wanted;
    this.manifold = null;
    this.redraw();
    if (!wanted || !this.decoder || !this.cloud.linear) return;
    const { cloud } = this;
    const still = () => this.backdrop && this.cloud === cloud;
    const made = await decodeManifold(cloud, this.base_code, this.decoder, this.shape, this.theme, still);
    if (still()) this.manifold = made;
    this.redraw();
  }

  note(words, share) {
    this.said.textContent = Number.isFinite(share) ? `${words} ${Math.round(100 * share)} %` : words;
    this.said.hidden = !words;
  }

  resize() {
    const { clientWidth: width, clientHeight: height } = this.map;
    if (!width || !height) return;
    this.ratio = Math.min(2, devicePixelRatio);
    this.stamp = "";
    for (const canvas of [this.back, this.points, this.over]) Object.assign(canvas, { width: width * this.ratio, height: height * this.ratio });
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
    this.colours = Object.fromEntries(["page", "ink", "muted", "line"].map((name) => [name, style.getPropertyValue(`--lc-${name}`).trim()]));
    if (!this.cloud) return;
    this.colourise();
    if (this.z) this.follower?.ask(this.z, performance.now());
    if (this.backdrop) this.lay();
    this.writePrior();
  }

  draw() {
    if (!this.dressed) return;
    this.dress();
    if (!this.cloud || !this.ratio) return;
    if (this.moved) this.dimensions.write(this.z);
    this.moved = false;
    drawManifold(this.back.getContext("2d"), this.manifold, this.view, this.shape, this.ratio);
    const pictures = drawOver(this.over.getContext("2d"), this, this.ratio);
    const size = Math.max(2.5, Math.min(7, 420 / Math.sqrt(this.cloud.count))) * Math.min(2, this.view.closeness ** 0.3);
    const stamp = [this.view.scale, ...this.view.centre, this.ratio, size].join();
    this.points.style.visibility = pictures ? "hidden" : "";
    if (stamp !== this.stamp) this.scatter.draw(this.view, size, this.ratio); // not when only the pointer has moved
    this.stamp = stamp;
  }

  destroy() {
    this.abort.abort();
    this.observer.disconnect();
    cancelAnimationFrame(this.drawing);
    clearTimeout(this.resting);
    this.root.remove();
  }
}

/** Builds the canvas inside an element; `update` changes its options, `destroy` takes it away. */
export function mountCanvas(element, options) {
  const canvas = new Canvas(element, options);
  return { root: canvas.root, update: (changes) => canvas.update(changes), destroy: () => canvas.destroy(), canvas };
}
