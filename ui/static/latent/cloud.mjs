// The encoded examples of a run at a step: what the server computed once, as columns of numbers.

import { answer } from "./answer.mjs";

const READERS = {
  f4: (buffer, offset, length) => new Float32Array(buffer, offset, length),
  f2: (buffer, offset, length) => Float32Array.from(new Uint16Array(buffer, offset, length), half),
  u1: (buffer, offset, length) => new Uint8Array(buffer, offset, length),
};
const WAIT = 400; // ms between two looks at work in progress

// A half-precision number.
function half(bits) {
  const exponent = (bits >> 10) & 31;
  const fraction = bits & 1023;
  const size = exponent === 0 ? fraction * 2 ** -24 : exponent === 31 ? (fraction ? NaN : Infinity) : (1 + fraction / 1024) * 2 ** (exponent - 15);
  return bits & 0x8000 ? -size : size;
}

/** The map's description, when it is ready; until then `tell(message, share)` hears how far it is. */
export async function readHead(base, query, tell, signal) {
  for (;;) {
    const head = await (await answer(`${base}/map?${new URLSearchParams(query)}`, { signal })).json();
    if (head.state === "ready") return head;
    if (head.state === "failed") throw new Error(head.message);
    tell(head.message, head.share);
    await new Promise((resolve) => setTimeout(resolve, WAIT));
  }
}

/** A cloud: its head, and its columns: points [n, 2], mean [n, d], logvar [n, d], kl, reconstruction, label [n]. */
export class Cloud {
  constructor(head, parts) {
    Object.assign(this, { head, count: head.count, latent: head.latent });
    for (const { name, type, part, offset, length } of head.columns) this[name] = READERS[type](parts[part], offset, length);
  }

  static async read(base, query, tell, signal) {
    const head = await readHead(base, query, tell, signal);
    const names = [...new Set(head.columns.map(({ part }) => part))];
    const parts = names.map(async (part) => [part, await (await answer(`${head.data}&part=${part}`, { signal })).arrayBuffer()]);
    return new Cloud(head, Object.fromEntries(await Promise.all(parts)));
  }

  point(index) {
    return [this.points[2 * index], this.points[2 * index + 1]];
  }

  code(index) {
    return this.mean.slice(index * this.latent, (index + 1) * this.latent);
  }

  spread(index) {
    return this.logvar.slice(index * this.latent, (index + 1) * this.latent).map((value) => Math.exp(value / 2));
  }

  /** The codes nearest to z: indices, the nearest first. */
  nearest(z, wanted) {
    const best = [];
    for (let index = 0; index < this.count; index += 1) {
      let distance = 0;
      for (let axis = 0, at = index * this.latent; axis < this.latent; axis += 1) distance += (this.mean[at + axis] - z[axis]) ** 2;
      if (best.length === wanted && distance >= best.at(-1)[0]) continue;
      best.push([distance, index]);
      best.sort((one, other) => one[0] - other[0]);
      best.length = Math.min(best.length, wanted);
    }
    return best.map(([, index]) => index);
  }

  /** The example whose point is nearest to a place on the map. */
  under([x, y]) {
    let [found, least] = [-1, Infinity];
    for (let index = 0; index < this.count; index += 1) {
      const distance = (this.points[2 * index] - x) ** 2 + (this.points[2 * index + 1] - y) ** 2;
      if (distance < least) [found, least] = [index, distance];
    }
    return [found, Math.sqrt(least)];
  }

  /** Where z stands on the map, for a linear one. */
  place(z) {
    const { components, centre } = this.head;
    return components.map((row) => row.reduce((sum, weight, axis) => sum + weight * (z[axis] - centre[axis]), 0));
  }

  /** z moved within the map's plane until it stands at a place; what is across the plane stays. */
  lift(place, z) {
    const { components } = this.head;
    const now = this.place(z);
    return z.map((value, axis) => value + components.reduce((sum, row, index) => sum + row[axis] * (place[index] - now[index]), 0));
  }

  get linear() {
    return this.head.components !== null;
  }

  /** Numbers of each example by name, to colour by. */
  measure(name) {
    if (name === "norm") return this.rows((row) => Math.hypot(...row), this.mean);
    if (name === "sigma") return this.rows((row) => Math.exp(row.reduce((sum, value) => sum + value, 0) / (2 * row.length)), this.logvar);
    return this[name];
  }

  rows(summary, values) {
    return Float32Array.from({ length: this.count }, (_, index) => summary(values.subarray(index * this.latent, (index + 1) * this.latent)));
  }
}
