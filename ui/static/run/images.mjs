// What the model sees, gives back and imagines: tiles cut from the sprite sheets of a step.

import { node } from "./nodes.mjs";
import { count } from "./numbers.mjs";

const COLUMNS = 4; // of the eight tiles that a sheet has in a row
const KEPT = 64; // sheets in memory, as many as a run keeps and a few
const ATTEMPTS = 3;
const ROWS = [
  { words: "original", sheet: "inputs", row: 0 },
  { words: "seen", sheet: "inputs", row: 1 },
  { words: "comes back", sheet: "frame", row: 0 },
  { words: "", sheet: "frame", row: 1 },
  { words: "", sheet: "frame", row: 2 },
];
const RETURNED = 3; // rows before those imagined from the prior

// Loads images once and keeps the latest used.
class Sheets {
  constructor(limit = KEPT) {
    Object.assign(this, { limit, kept: new Map(), failures: new Map() });
  }

  clear() {
    this.kept.clear();
    this.failures.clear();
  }

  spent(url) {
    return (this.failures.get(url) ?? 0) >= ATTEMPTS;
  }

  get(url) {
    const image = this.kept.get(url) ?? this.load(url);
    this.kept.delete(url);
    this.kept.set(url, image);
    if (this.kept.size > this.limit) this.kept.delete(this.kept.keys().next().value);
    return image;
  }

  load(url) {
    const image = new Image();
    image.src = url;
    return image.decode().then(() => image, () => {
      this.kept.delete(url);
      this.failures.set(url, (this.failures.get(url) ?? 0) + 1);
      return null;
    });
  }
}

// Grey ink on black becomes ink on paper in the light theme.
function invert(context, width, height) {
  context.globalCompositeOperation = "difference";
  context.fillStyle = "#FFFFFF";
  context.fillRect(0, 0, width, height);
  context.globalCompositeOperation = "source-over";
}

function cut(canvas, sheet, column, row, { meta, theme }) {
  const { width, height, channels } = meta.tile;
  Object.assign(canvas, { width, height });
  canvas.style.aspectRatio = `${width} / ${height}`;
  canvas.classList.toggle("er-smooth", Boolean(meta.smooth));
  const context = canvas.getContext("2d");
  context.drawImage(sheet, column * width, row * height, width, height, 0, 0, width, height);
  if (channels === 1 && theme === "light") invert(context, width, height);
}

function gridRow(parent, words) {
  node(parent, "span", "er-row-name", words);
  return Array.from({ length: COLUMNS }, () => node(parent, "canvas", "er-tile"));
}

function named(box) {
  box.setAttribute("role", "img");
  box.setAttribute("aria-label", "Test images, what the model makes of them, and images imagined from the prior");
}

function build(parent) {
  const box = node(parent, "div", "er-images");
  const back = node(box, "div", "er-tiles");
  const returned = ROWS.slice(0, RETURNED).map(({ words }) => gridRow(back, words));
  const prior = node(box, "div", "er-tiles er-prior");
  node(prior, "span", "er-heading", "imagined from the prior");
  const imagined = ROWS.slice(RETURNED).map(({ words }) => gridRow(prior, words));
  const foot = node(prior, "span", "er-heading er-foot");
  named(box);
  return { box, canvases: [...returned, ...imagined], foot };
}

// Of a pair: one line of originals and of what comes back.
function buildLine(parent) {
  const box = node(parent, "div", "er-images er-line-of-images");
  const canvases = ROWS.slice(0, RETURNED).map(({ words, sheet, row }) => {
    if (sheet === "inputs" && row === 1) return [];
    const tiles = node(box, "div", "er-tiles");
    return gridRow(tiles, words);
  });
  named(box);
  return { box, canvases: [...canvases, ...ROWS.slice(RETURNED).map(() => [])], foot: null };
}

/** The images of a run beside its figure. */
export class Images {
  constructor(parent, paired) {
    Object.assign(this, paired ? buildLine(parent) : build(parent), { sheets: new Sheets(), view: null });
    this.reset();
  }

  reset() {
    this.sheets.clear();
    this.shown = {};
    this.box.classList.remove("er-ready");
  }

  /** Shows the tiles of the view's step; while they load the earlier ones stay. */
  draw(view) {
    this.view = view;
    if (view.at === null || !view.meta.tile) return;
    const step = view.rows.step(view.at);
    this.bring("inputs", view.source.inputs(), 0);
    this.bring("frame", view.source.frame(step), step);
  }

  async bring(kind, url, step) {
    const key = `${url} ${this.view.theme}`;
    this[kind] = key;
    if (this.shown[kind] === key || this.sheets.spent(url)) return;
    const sheet = await this.sheets.get(url);
    if (this[kind] !== key || this.shown[kind] === key) return;
    if (sheet) this.show(kind, key, sheet, step);
    else setTimeout(() => this[kind] === key && this.bring(kind, url, step), 1000);
  }

  show(kind, key, sheet, step) {
    this.shown[kind] = key;
    ROWS.forEach(({ sheet: source, row }, place) => {
      if (source !== kind) return;
      this.canvases[place].forEach((canvas, column) => cut(canvas, sheet, column, row, this.view));
    });
    if (kind === "frame") this.box.dataset.step = step;
    if (kind === "frame" && this.foot) this.foot.textContent = `at step ${count(step)}`;
    this.box.classList.toggle("er-ready", "frame" in this.shown && "inputs" in this.shown);
  }

  /** Loads sheets before they are shown, one after another. */
  async preload(urls) {
    for (const url of urls.slice(-KEPT)) await this.sheets.get(url);
  }

  stop() {
    this.inputs = this.frame = null;
  }
}
