// The clock of a replay: which of the logged steps is shown. While none is held it follows the newest.

import { countWhile } from "./rows.mjs";

const ROWS_A_SECOND = 15;
const SHORTEST = 6; // seconds
const LONGEST = 30;

/** Moves through the logged steps, one a frame; `tell()` is called when what it shows has changed. */
export class Clock {
  constructor(tell) {
    Object.assign(this, { tell, steps: [], held: null, playing: false, seconds: 0 });
  }

  /** The step shown; infinite while the newest is. */
  get step() {
    return this.held ?? Infinity;
  }

  /** Where that step stands among those logged so far: more of them may come, before it as well. */
  get place() {
    return Math.max(0, countWhile(this.steps.length, (index) => this.steps[index] <= this.step) - 1);
  }

  /** Takes the logged steps of all lanes in; what is shown stays. */
  know(lists) {
    const [longest, ...others] = [...lists].sort((one, other) => other.length - one.length);
    const same = others.every((list) => list.at(-1) <= longest.at(-1) && list.every((step, index) => step === longest[index]));
    this.steps = same ? longest ?? [] : [...new Set(lists.flat())].sort((one, other) => one - other);
  }

  play() {
    if (this.steps.length < 2) return;
    const from = this.held === null ? 0 : this.place;
    const wanted = this.seconds || Math.min(LONGEST, Math.max(SHORTEST, this.steps.length / ROWS_A_SECOND));
    const rate = this.steps.length / (1000 * wanted);
    let [before, due] = [null, 0];
    const move = (now) => {
      if (!this.playing) return;
      due += (now - (before ?? now)) * rate;
      before = now;
      this.show(this.place + Math.floor(due));
      due %= 1;
      this.frame = requestAnimationFrame(move);
    };
    this.hold();
    this.playing = true;
    this.show(from);
    this.frame = requestAnimationFrame(move);
  }

  // Past the last step there is nothing to play: from there on it follows what comes.
  show(place) {
    const before = [this.held, this.playing];
    this.keep(place);
    if (this.held === null) this.playing = false;
    if (before[0] !== this.held || before[1] !== this.playing) this.tell();
  }

  keep(place) {
    this.held = place < this.steps.length - 1 ? this.steps[Math.max(0, place)] : null;
  }

  hold() {
    cancelAnimationFrame(this.frame);
    this.playing = false;
  }

  /** Holds at a place among the logged steps; the last one is the newest. */
  seek(place) {
    this.hold();
    this.keep(place);
    this.tell();
  }

  /** Plays, or holds where it is; while it follows a living run, holding keeps the picture. */
  toggle(living) {
    if (this.playing) this.seek(this.place);
    else if (this.held === null && living) this.freeze();
    else this.play();
  }

  // Holds at the newest step: what comes after it is not shown before it plays on.
  freeze() {
    this.hold();
    this.held = this.steps.at(-1) ?? null;
    this.tell();
  }

  reset() {
    this.hold();
    this.held = null;
  }
}
