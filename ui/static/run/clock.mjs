// The clock of a replay: which of the logged steps is shown. At null it follows the newest.

const ROWS_A_SECOND = 15;
const SHORTEST = 6; // seconds
const LONGEST = 30;

/** Moves through the logged steps, one a frame; `tell()` is called when what it shows has changed. */
export class Clock {
  constructor(tell) {
    Object.assign(this, { tell, steps: [], at: null, playing: false, seconds: 0 });
  }

  /** The step shown; infinite while the newest is. */
  get step() {
    return this.at === null ? Infinity : this.steps[this.at] ?? Infinity;
  }

  get place() {
    return this.at ?? Math.max(0, this.steps.length - 1);
  }

  /** Takes the logged steps of all lanes in; what is shown stays. */
  know(lists) {
    const [longest, ...others] = [...lists].sort((one, other) => other.length - one.length);
    const same = others.every((list) => list.at(-1) <= longest.at(-1) && list.every((step, index) => step === longest[index]));
    this.steps = same ? longest ?? [] : [...new Set(lists.flat())].sort((one, other) => one - other);
  }

  play() {
    if (this.steps.length < 2) return;
    const from = this.at ?? 0;
    const wanted = this.seconds || Math.min(LONGEST, Math.max(SHORTEST, this.steps.length / ROWS_A_SECOND));
    const rate = this.steps.length / (1000 * wanted);
    let begun = null;
    const move = (now) => {
      if (!this.playing) return;
      begun ??= now;
      this.show(from + Math.floor((now - begun) * rate));
      this.frame = requestAnimationFrame(move);
    };
    this.hold();
    this.playing = true;
    this.show(from);
    this.frame = requestAnimationFrame(move);
  }

  // Past the last step there is nothing to play: from there on it follows what comes.
  show(at) {
    const before = [this.at, this.playing];
    this.at = at < this.steps.length - 1 ? Math.max(0, at) : null;
    if (this.at === null) this.playing = false;
    if (before[0] !== this.at || before[1] !== this.playing) this.tell();
  }

  hold() {
    cancelAnimationFrame(this.frame);
    this.playing = false;
  }

  /** Holds at a place among the logged steps; the last one is the newest. */
  seek(place) {
    this.hold();
    this.at = place < this.steps.length - 1 ? Math.max(0, place) : null;
    this.tell();
  }

  /** Plays, or holds where it is; while it follows a living run, holding keeps the picture. */
  toggle(living) {
    if (this.playing) this.seek(this.place);
    else if (this.at === null && living) this.freeze();
    else this.play();
  }

  // Holds at the newest step: what comes after it is not shown before it plays on.
  freeze() {
    this.hold();
    if (this.steps.length) this.at = this.steps.length - 1;
    this.tell();
  }

  reset() {
    this.hold();
    this.at = null;
  }
}
