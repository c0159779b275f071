// The run figure: follows or replays one run or two, and draws their terms, β, codes and images. It needs no
// framework: mountFigure(element, { runs: [{ base: "/api/runs/NAME" }] }) is all that a page has to say.

import { Clock } from "./clock.mjs";
import { Lane } from "./lane.mjs";
import { union } from "./layout.mjs";
import { node, styled } from "./nodes.mjs";
import { themeAround } from "./palette.mjs";
import { createCaption } from "./words.mjs";
import { createTransport } from "./transport.mjs";

const DEFAULTS = {
  runs: [], // one or two of { base } or { recording }
  headline: "", // stands in the caption's place
  ask: false, // captions are hidden until V is pressed, or until this changes
  play: false, // replay once, from the start, when all is here
  seconds: 0, // that a replay takes; 0: as many as it deserves
  showTrain: false,
  link: "", // that the menu copies; none: no such item
  theme: undefined,
  state: "", // of each run, as the page knows it, with a space between them: where it changes, they are looked at
  onState: () => {}, // (state, step) => …, of the same form
  onPlan: null, // (points) => …, when β ahead of now may be dragged
};
const calm = matchMedia("(prefers-reduced-motion: reduce)");
const same = (one, other) => one?.length === other.length && one.every((run, index) => run.base === other[index].base && run.recording === other[index].recording);

// A page that is one file has the style sheet in it, and its modules have no address beside which another file is.
const dressed = () => (document.querySelector("style[data-er]") ? Promise.resolve() : styled(new URL("figure.css", import.meta.url).href));

class Figure {
  constructor(element, options) {
    Object.assign(this, { lanes: [], cursor: null, reported: "", element });
    this.clock = new Clock(() => this.redraw());
    this.build(element);
    this.observer = new ResizeObserver(() => this.writeCaption.fit());
    this.observer.observe(this.root);
    dressed().then(() => {
      this.root.hidden = false;
      this.redraw();
    });
    this.update(options);
  }

  build(element) {
    this.root = node(element, "section", "er-figure");
    this.root.dataset.testid = "live-figure";
    this.root.hidden = true;
    this.writeCaption = createCaption(this.root);
    this.stand = node(this.root, "div", "er-lanes");
    this.writeTransport = createTransport(this.root, this);
    this.root.addEventListener("keydown", (event) => this.press(event));
  }

  get living() {
    return this.lanes.some((lane) => !lane.over);
  }

  update(options = {}) {
    const before = this.settings;
    this.settings = { ...DEFAULTS, ...before, ...options };
    this.clock.seconds = this.settings.seconds;
    if (before?.ask !== this.settings.ask) this.root.toggleAttribute("data-ask", this.settings.ask);
    if (!same(before?.runs, this.settings.runs)) this.follow();
    else if (before.state !== this.settings.state) for (const { source } of this.lanes) source.wake();
    this.redraw();
  }

  follow() {
    for (const lane of this.lanes) lane.destroy();
    this.forget();
    this.clock.know([[]]);
    Object.assign(this.root.dataset, { rows: 0, state: "queued" });
    delete this.root.dataset.shown;
    Object.assign(this, { reported: "", waiting: this.settings.play && !calm.matches });
    const paired = this.settings.runs.length > 1;
    this.stand.dataset.count = this.settings.runs.length;
    this.lanes = this.settings.runs.map((run) => new Lane(this.stand, run, {
      paired, handlers: this.handlers(), tell: (lane, news) => this.hear(lane, news),
    }));
  }

  handlers() {
    return {
      onPoint: (step, place) => this.point({ step, place }),
      onMove: (way) => this.move(way),
      onLeave: () => this.point(null),
      onResize: () => this.redraw(),
      onDraft: (point) => this.sketch(point),
      onPlan: (points) => this.settings.onPlan(points),
    };
  }

  forget() {
    this.cursor = null;
    this.clock.reset();
  }

  hear(lane, { restarted, reported }) {
    if (restarted) this.forget();
    this.clock.know(this.lanes.map(({ rows }) => rows.steps));
    if (reported) this.report();
    this.begin();
    this.redraw();
  }

  // A replay that was asked for begins when every lane has its rows.
  begin() {
    if (!this.waiting || this.living || !this.lanes.every((lane) => lane.ready)) return;
    this.waiting = false;
    this.play();
  }

  play() {
    for (const lane of this.lanes) lane.preload();
    this.clock.play();
  }

  report() {
    if (!this.lanes.every((lane) => lane.news.meta || lane.over)) return; // one has not answered yet
    const state = this.lanes.map(({ news }) => news.state).join(" ");
    const report = `${state} ${this.lanes[0].news.step}`;
    if (report !== this.reported) this.settings.onState(state, this.lanes[0].news.step);
    this.reported = report;
  }

  point(cursor) {
    this.cursor = cursor;
    this.redraw();
  }

  // The keyboard's cursor goes from measurement to measurement of the first lane.
  move(way) {
    const { rows, at } = this.views?.[0] ?? {};
    if (!rows?.test.length) return;
    const index = Math.max(0, Math.min(rows.test.length - 1, rows.test.indexOf(at) + way));
    this.point({ step: rows.testSteps[index], place: this.cursor?.place });
  }

  sketch(point) {
    this.draft = point;
    this.redraw();
  }

  /** Space plays and holds, from anywhere in the figure but its own buttons; V shows and hides what it has to say. */
  press(event) {
    if (event.key === "v" && this.settings.ask && !event.ctrlKey && !event.metaKey && !event.altKey) {
      this.root.toggleAttribute("data-ask");
      this.redraw();
    }
    if (event.key !== " " || event.target.closest("button, [role=menu]") || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    this.toggle();
  }

  toggle() {
    if (!this.clock.playing) for (const lane of this.lanes) lane.preload();
    this.clock.toggle(this.living);
  }

  step(way) {
    this.clock.seek(this.clock.place + way);
  }

  redraw() {
    this.drawing ||= requestAnimationFrame(() => {
      this.drawing = 0;
      this.draw();
    });
  }

  look() {
    const { theme, showTrain, onPlan, runs } = this.settings;
    const asked = this.root.closest("[data-ask]") !== null;
    const shared = { asked, draft: this.draft, theme: theme ?? themeAround(this.root), showTrain, planned: runs.length === 1 && onPlan !== null };
    const views = this.lanes.map((lane) => lane.view(this.clock.step, this.cursor, shared));
    const scale = union(this.lanes.map((lane, index) => lane.spread(views[index])).filter(Boolean));
    return views.map((view) => ({ ...view, scale }));
  }

  draw() {
    this.views = this.look();
    if (!this.views.length) return;
    const [first] = this.views;
    this.root.dataset.theme = first.theme;
    this.writeCaption.write(this.settings.headline, first);
    this.lanes.forEach((lane, index) => lane.draw(this.views[index]));
    this.writeTransport(this.views);
    const rows = Math.min(...this.lanes.map((lane) => lane.rows.length)); // that every lane has
    Object.assign(this.root.dataset, { rows, state: first.state });
    if (this.lanes.some((lane) => lane.rows.length)) this.root.dataset.shown = this.shown; // until then no step is
  }

  /** The step that is shown. */
  get shown() {
    return Math.max(0, ...(this.views ?? []).map(({ rows }) => rows.lastStep));
  }

  destroy() {
    this.clock.hold();
    for (const lane of this.lanes) lane.destroy();
    this.observer.disconnect();
    cancelAnimationFrame(this.drawing);
    this.root.remove();
  }
}

/** Builds the figure inside an element. `update` changes its options, `toggle` and `step` drive its replay, `draw`
    draws it at once instead of with the next frame, `destroy` takes it away. */
export function mountFigure(element, options) {
  const figure = new Figure(element, options);
  return {
    root: figure.root,
    update: (changes) => figure.update(changes),
    toggle: () => figure.toggle(),
    step: (way) => figure.step(way),
    draw: () => figure.draw(),
    destroy: () => figure.destroy(),
  };
}
