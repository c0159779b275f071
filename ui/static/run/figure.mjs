// The run figure: follows a run and draws its terms, β, codes and images. It needs no framework:
// mountFigure(element, { base: "/api/runs/NAME" }) is all that a page has to say.

import { bisectCenter } from "../vendor/d3.mjs";
import { Feed } from "./feed.mjs";
import { Images } from "./images.mjs";
import { node } from "./nodes.mjs";
import { themeAround } from "./palette.mjs";
import { createPlot } from "./plot.mjs";
import { Rows } from "./rows.mjs";
import { createWords, describe } from "./words.mjs";

const DEFAULTS = { base: "", theme: undefined, showTrain: false, onState: () => {} };
const WAITING = new Set(["queued", "running", "paused"]);
let style = null;

// Adds the stylesheet to the page, once; resolves when it is there, or has failed to come.
function styled() {
  style ??= new Promise((resolve) => {
    const link = document.createElement("link");
    Object.assign(link, { rel: "stylesheet", href: new URL("figure.css", import.meta.url).href });
    link.onload = link.onerror = resolve;
    document.head.append(link);
  });
  return style;
}

const unknown = () => ({ meta: null, state: "queued", step: 0, caption: "", message: "", offline: false });

class Figure {
  constructor(element, options) {
    this.rows = new Rows();
    this.build(element);
    this.observer = new ResizeObserver(() => this.redraw());
    this.observer.observe(this.root);
    styled().then(() => {
      this.root.hidden = false;
      this.redraw();
    });
    this.update(options);
  }

  build(element) {
    this.root = node(element, "section", "er-figure");
    Object.assign(this.root.dataset, { testid: "live-figure", rows: 0, state: "queued" });
    this.root.hidden = true;
    this.write = createWords(this.root);
    this.body = node(this.root, "div", "er-body");
    this.plot = createPlot(this.body, {
      onPoint: ({ step, place }) => this.point(bisectCenter(this.rows.testSteps, step), place),
      onMove: (way) => this.move(way),
      onLeave: () => this.leave(),
    });
    this.images = new Images(this.body);
  }

  update(options = {}) {
    const before = this.settings;
    this.settings = { ...DEFAULTS, ...before, ...options };
    this.settings.base = this.settings.base.replace(/\/+$/, "");
    if (this.settings.base !== before?.base) this.follow();
    this.redraw();
  }

  follow() {
    this.feed?.stop();
    this.rows.clear();
    this.news = unknown();
    this.reported = "";
    this.forget();
    const { base } = this.settings;
    this.feed = base ? new Feed(base, this.rows, (changes) => this.hear(changes)) : null;
  }

  forget() {
    this.cursor = null;
    this.images.reset();
  }

  hear({ restarted, ...changes }) {
    if (restarted) this.forget();
    Object.assign(this.news, changes);
    if ("step" in changes || changes.state === "removed") this.report();
    this.redraw();
  }

  report() {
    const { state, step } = this.news;
    const report = `${state} ${step}`;
    if (report !== this.reported) this.settings.onState(state, step);
    this.reported = report;
  }

  point(index, place) {
    if (!this.rows.test.length) return;
    this.cursor = { index, place };
    this.redraw();
  }

  move(way) {
    const last = this.rows.test.length - 1;
    const index = (this.cursor?.index ?? last) + way;
    this.point(Math.max(0, Math.min(last, index)), this.cursor?.place);
  }

  leave() {
    this.cursor = null;
    this.redraw();
  }

  redraw() {
    this.drawing ||= requestAnimationFrame(() => {
      this.drawing = 0;
      this.draw();
    });
  }

  view() {
    const { base, theme, showTrain } = this.settings;
    const at = this.cursor ? this.rows.test[this.cursor.index] : this.rows.newest;
    return { ...this.news, base, showTrain, rows: this.rows, at, pointed: this.cursor, theme: theme ?? themeAround(this.root) };
  }

  draw() {
    const view = this.view();
    const { root } = this;
    root.dataset.theme = view.theme;
    this.body.classList.toggle("er-hidden", !view.meta || !(view.rows.length || WAITING.has(view.state)));
    this.write(view);
    if (view.meta) this.plot.draw(view, describe(view));
    if (view.meta) this.images.draw(view);
    Object.assign(root.dataset, { rows: view.rows.length, state: view.state });
  }

  destroy() {
    this.feed?.stop();
    this.images.stop();
    this.observer.disconnect();
    cancelAnimationFrame(this.drawing);
    this.root.remove();
  }
}

/** Builds the figure of a run inside an element; `update` changes its options, `destroy` takes it away. */
export function mountFigure(element, options) {
  const figure = new Figure(element, options);
  return {
    update: (changes) => figure.update(changes),
    destroy: () => figure.destroy(),
  };
}
