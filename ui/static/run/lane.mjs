// One run in the figure: where its rows come from, its equation, its panels and its images.

import { bisectCenter } from "../vendor/d3.mjs";
import { Feed } from "./feed.mjs";
import { Images } from "./images.mjs";
import { spread } from "./layout.mjs";
import { node } from "./nodes.mjs";
import { createPlot } from "./plot.mjs";
import { Recording } from "./recording.mjs";
import { Rows, countWhile } from "./rows.mjs";
import { createWords, describe } from "./words.mjs";

const WAITING = new Set(["queued", "running", "paused"]);
const OVER = new Set(["done", "stopped", "failed", "crashed", "interrupted", "removed"]);
const unknown = () => ({ meta: null, state: "queued", step: 0, caption: "", message: "", offline: false });

/** Follows `run`, { base } over HTTP or { recording } from the page, and draws it inside `parent`. */
export class Lane {
  constructor(parent, run, { paired, handlers, tell }) {
    Object.assign(this, { run, paired, tell, rows: new Rows(), news: unknown() });
    this.root = node(parent, "article", "er-lane");
    this.write = createWords(this.root, paired);
    this.body = node(this.root, "div", "er-body");
    this.plot = createPlot(this.body, handlers);
    this.images = new Images(this.body, paired);
    const hear = (changes) => this.hear(changes);
    this.source = run.recording ? new Recording(run.recording, this.rows, hear) : new Feed(run.base, this.rows, hear);
  }

  get over() {
    return OVER.has(this.news.state);
  }

  get ready() {
    return Boolean(this.news.meta) && this.rows.newest !== null;
  }

  hear({ restarted, ...changes }) {
    if (restarted) this.images.reset();
    Object.assign(this.news, changes);
    this.remember(changes.caption);
    this.tell(this, { restarted, reported: "step" in changes || changes.state === "removed" });
  }

  // The card tells the captions so far; those that come later are added, for a replay.
  remember(caption) {
    const { story } = this.news.meta ?? {};
    if (story && caption && story.at(-1)?.[1] !== caption) story.push([this.rows.testSteps.at(-1) ?? 0, caption]);
  }

  /** What stood in the caption's place at a step. */
  caption(step) {
    const { meta, caption } = this.news;
    if (step === Infinity && caption) return caption;
    const story = meta?.story ?? [];
    return story[countWhile(story.length, (index) => story[index][0] <= step) - 1]?.[1] ?? "";
  }

  /** What there is to draw when the clock stands at a step and, maybe, a cursor at another. */
  view(step, cursor, settings) {
    const rows = this.rows.upto(step);
    const pointed = cursor && rows.test.length ? cursor : null;
    const at = pointed ? rows.test[bisectCenter(rows.testSteps, pointed.step)] : rows.newest;
    const replayed = rows !== this.rows;
    return { ...this.news, ...settings, all: this.rows, rows, at, pointed, replayed, caption: this.caption(step), source: this.source };
  }

  spread(view) {
    return view.meta ? spread(view) : null;
  }

  draw(view) {
    this.body.classList.toggle("er-hidden", !view.meta || !(this.rows.length || WAITING.has(view.state)));
    this.write(view);
    if (!view.meta) return;
    this.plot.draw(view, describe(view));
    this.images.draw(view);
  }

  /** Loads what a replay is going to show. */
  preload() {
    this.images.preload(this.rows.testSteps.map((step) => this.source.frame(step)));
  }

  destroy() {
    this.source.stop();
    this.plot.stop();
    this.images.stop();
    this.root.remove();
  }
}
