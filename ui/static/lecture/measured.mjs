// What the views share whose numbers the server measures with codes drawn from a seed: asking, waiting, asking again.

import { node } from "../run/nodes.mjs";
import { button } from "./controls.mjs";
import { Section } from "./section.mjs";

const SEEDS = 100;

/** A view of `found`, which the server measures; its class calls `parts()` and `read()` when it builds. */
export class Measured extends Section {
  /** The button for other codes, in a row of the view's, and under it the line that tells what is going on. */
  parts(row) {
    this.seed = Math.round(this.asked("seed", 0, SEEDS - 1, 1));
    this.other = button(row, "Other codes", () => this.reseed());
    this.note = node(this.root, "p", "lx-note");
    this.note.setAttribute("role", "status");
  }

  reseed() {
    this.seed = (this.seed + 1) % SEEDS;
    this.told();
    this.read(this.what, this.waiting);
  }

  /** Asks for what the server measures under that name, and says so meanwhile. */
  async read(what, waiting) {
    Object.assign(this, { what, waiting });
    this.other.disabled = true;
    this.failed = false;
    this.note.textContent = waiting;
    Object.assign(this.root.dataset, { measured: 0 });
    try {
      const response = await fetch(`${this.settings.base}/gradients/${what}?seed=${this.seed}`, { signal: this.abort.signal });
      const found = await response.json();
      if (!response.ok) throw new Error(found.error);
      this.found = found;
      this.root.dataset.measured = 1;
    } catch (error) {
      if (!this.abort.signal.aborted) [this.failed, this.note.textContent] = [true, error.message];
    }
    this.other.disabled = false;
    this.redraw();
  }

  /** Whether there are numbers to draw; until then the drawing takes the room that it will need. */
  measuredFor(width, height) {
    if (!this.found) this.picture.clear(width, this.failed ? 0 : height);
    return Boolean(this.found) && this.root.dataset.measured === "1";
  }
}
