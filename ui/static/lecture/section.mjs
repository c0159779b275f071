// What the views of the equations share: their frame, theme and size, one drawing a frame, and the page's address.

import { node, styled } from "../run/nodes.mjs";
import { themeAround } from "../run/palette.mjs";

const QUIET = 200; // ms after the last change, until the address is told
const DEFAULTS = { base: "", query: {}, data: {}, ask: false, theme: undefined, onState: () => {} };

/** A view: its class makes its parts in `build()` and draws them in `draw()`, which `redraw()` asks for. */
export class Section {
  constructor(element, name, options) {
    this.settings = { ...DEFAULTS, ...options };
    this.abort = new AbortController();
    this.root = node(element, "section", `lx-figure lx-${name}`);
    Object.assign(this.root.dataset, { testid: `lecture-${name}`, ready: 0 });
    this.root.hidden = true;
    this.build();
    // A drawing is as wide as its root, and sets the height itself: a fold that opens asks for no other.
    this.observer = new ResizeObserver(([{ contentRect }]) => {
      if (contentRect.width !== this.width) this.redraw();
      this.width = contentRect.width;
    });
    this.observer.observe(this.root);
    styled(new URL("lecture.css", import.meta.url).href).then(() => {
      this.root.hidden = false;
      this.dressed = true;
      this.redraw();
    });
    this.update({});
  }

  /** Other options: of the page's data, or of what it hides. */
  update(options) {
    Object.assign(this.settings, options);
    this.root.toggleAttribute("data-ask", this.settings.ask);
    this.redraw();
  }

  /** What the address asks for under a name, as a number within bounds; else the value given. */
  asked(name, low, high, otherwise) {
    const value = parseFloat(this.settings.query[name]);
    return Number.isFinite(value) ? Math.max(low, Math.min(high, value)) : otherwise;
  }

  /** What the address asks for under a name, if it is one of the values; else the first of them. */
  choice(name, values) {
    const value = this.settings.query[name];
    return values.includes(value) ? value : values[0];
  }

  /** Says in the answer's place what is waited for, or what went wrong; null: the answer is there. */
  wait(words) {
    this.root.toggleAttribute("data-waiting", words !== null);
    if (words !== null) this.said.textContent = words;
  }

  /** Writes the state into the address; not as often as a pointer moves. */
  tell(state) {
    clearTimeout(this.telling);
    this.telling = setTimeout(() => this.settings.onState(state), QUIET);
  }

  redraw() {
    this.since ??= performance.now();
    this.drawing ||= requestAnimationFrame(() => {
      this.drawing = 0;
      if (!this.dressed || !this.root.clientWidth) return;
      this.root.dataset.theme = this.settings.theme ?? themeAround(this.root);
      this.draw();
      Object.assign(this.root.dataset, { ready: 1, answerMs: (performance.now() - this.since).toFixed(1) });
      this.since = null;
    });
  }

  destroy() {
    this.abort.abort();
    this.observer.disconnect();
    cancelAnimationFrame(this.drawing);
    clearTimeout(this.telling);
    this.root.remove();
  }
}

/** An error's message as a sentence. */
export const sentence = ({ message }) => `${message.charAt(0).toUpperCase()}${message.slice(1)}${message.endsWith(".") ? "" : "."}`;

/** The function that a page calls to mount a view, whose class gives it its name. */
export const mounting = (View) => (element, options) => {
  const view = new View(element, View.name.toLowerCase(), options);
  return { root: view.root, view, update: (changes) => view.update(changes), destroy: () => view.destroy() };
};
