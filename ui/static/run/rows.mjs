// The measurements of one run, as they arrive: a growing table of float32 rows.

/** Where each quantity stands in a row; the KL of each latent dimension follows from `dimensions` on. */
export const COLUMN = Object.freeze({
  split: 0, step: 1, beta: 2, elbo: 3, reconstruction: 4, kl: 5, active: 7, dimensions: 12,
});

/** How many of the first items of so many hold; those that hold come before those that don't. */
export function countWhile(count, holds) {
  let [low, high] = [0, count];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (holds(middle)) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** The rows received so far, in order of step, with the training and the test rows indexed apart. */
export class Rows {
  constructor() {
    this.clear();
  }

  clear() {
    this.width = COLUMN.dimensions;
    this.length = 0;
    this.values = new Float32Array(0);
    this.train = [];
    this.test = [];
    this.testSteps = [];
    this.steps = []; // at which anything was logged, each once
    this.coded = []; // rows that know their KL per dimension, or have lost it to NaN
  }

  get dimensions() {
    return this.width - COLUMN.dimensions;
  }

  get newest() {
    return this.test.at(-1) ?? null;
  }

  get lastStep() {
    return this.length ? this.step(this.length - 1) : 0;
  }

  value(row, column) {
    return this.values[row * this.width + column];
  }

  step(row) {
    return this.value(row, COLUMN.step);
  }

  dimension(row, index) {
    return this.value(row, COLUMN.dimensions + index);
  }

  append(block, width) {
    this.width = width;
    this.reserve(this.length * width + block.length);
    this.values.set(block, this.length * width);
    const end = this.length + Math.floor(block.length / width);
    for (let row = this.length; row < end; row += 1) this.index(row);
    this.length = end;
  }

  /** The same rows as they were at a step: what a replay has come to. */
  upto(step) {
    if (step >= this.lastStep) return this;
    const length = countWhile(this.length, (row) => this.step(row) <= step);
    const among = (rows) => rows.slice(0, countWhile(rows.length, (index) => rows[index] < length));
    const test = among(this.test);
    return Object.assign(Object.create(this), {
      length, test, train: among(this.train), coded: among(this.coded), testSteps: this.testSteps.slice(0, test.length),
    });
  }

  reserve(size) {
    if (size <= this.values.length) return;
    const larger = new Float32Array(2 * size);
    larger.set(this.values.subarray(0, this.length * this.width));
    this.values = larger;
  }

  index(row) {
    if (this.step(row) !== this.steps.at(-1)) this.steps.push(this.step(row));
    const isTest = this.value(row, COLUMN.split) === 1;
    (isTest ? this.test : this.train).push(row);
    if (isTest) this.testSteps.push(this.step(row));
    const known = this.dimensions > 0 && Number.isFinite(this.dimension(row, 0));
    if (known || !Number.isFinite(this.value(row, COLUMN.kl))) this.coded.push(row);
  }
}
