// A run that came with the page, whole: the same to the figure as one that is followed.

import { countWhile } from "./rows.mjs";

const numbers = (base64) => new Float32Array(Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0)).buffer);

/** Fills `rows` from a recording at once and tells what there is to know of it. */
export class Recording {
  constructor(recording, rows, tell) {
    this.recording = recording;
    this.framed = Object.keys(recording.frames).map(Number);
    const { card, step, width } = recording;
    queueMicrotask(() => {
      rows.append(numbers(recording.rows), width);
      tell({ meta: card, state: card.state, message: card.message, step });
    });
  }

  inputs() {
    return this.recording.inputs;
  }

  /** The frame of a step, or the newest before it: long runs do not keep one for every evaluation. */
  frame(step) {
    return this.recording.frames[this.framed[countWhile(this.framed.length, (index) => this.framed[index] <= step) - 1]];
  }

  wake() {}

  stop() {}
}
