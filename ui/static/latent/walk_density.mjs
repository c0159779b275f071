// The aggregate posterior q(z) = (1/N) Σ q(z|x): where the decoder has been trained, and where it has not.

import { normal, random } from "./chance.mjs";
import { quantileOf } from "./walk_maths.mjs";

const MOST = 300; // codes that stand for all where there are more
const BREATH = 8; // ms of work in one go
const NOTHING = 40; // nats below the largest term, from which on a term adds nothing

/** ln q(z) of codes under the mixture of a cloud's posteriors, in nats. */
export class Density {
  constructor(cloud) {
    const { count, latent, logvar } = cloud;
    Object.assign(this, { cloud, terms: new Float64Array(count), offsets: new Float64Array(count), weights: new Float32Array(logvar.length) });
    for (let index = 0; index < logvar.length; index += 1) this.weights[index] = 0.5 * Math.exp(-logvar[index]);
    const constant = -0.5 * latent * Math.log(2 * Math.PI) - Math.log(count);
    for (let row = 0; row < count; row += 1) {
      let sum = 0;
      for (let axis = row * latent; axis < (row + 1) * latent; axis += 1) sum += logvar[axis];
      this.offsets[row] = constant - 0.5 * sum;
    }
  }

  at(z) {
    const { cloud: { count, latent, mean }, terms, offsets, weights } = this;
    let largest = -Infinity;
    for (let row = 0, place = 0; row < count; row += 1) {
      let term = offsets[row];
      for (let axis = 0; axis < latent; axis += 1, place += 1) term -= weights[place] * (z[axis] - mean[place]) ** 2;
      terms[row] = term;
      if (term > largest) largest = term;
    }
    let sum = 0;
    for (let row = 0; row < count; row += 1) if (terms[row] > largest - NOTHING) sum += Math.exp(terms[row] - largest);
    return largest + Math.log(sum);
  }

  /** ln q of many codes, with pauses so that the page goes on breathing; null when it is not `wanted()` any more. */
  async of(codes, wanted = () => true) {
    const found = [];
    let begun = performance.now();
    for (const z of codes) {
      found.push(this.at(z));
      if (performance.now() - begun < BREATH) continue;
      await new Promise((resolve) => setTimeout(resolve));
      if (!wanted()) return null;
      begun = performance.now();
    }
    return found;
  }

  /** What is usual: the median at the posteriors' means, and the middle nine tenths of draws from q(z). */
  async reference(wanted) {
    const { cloud } = this;
    const number = Math.min(MOST, cloud.count);
    const some = Array.from({ length: number }, (_, index) => Math.floor((index * cloud.count) / number));
    const draw = random(1);
    const means = await this.of(some.map((index) => cloud.code(index)), wanted);
    const draws = means && await this.of(some.map((index) => {
      const sigma = cloud.spread(index);
      return cloud.code(index).map((value, axis) => value + sigma[axis] * normal(draw));
    }), wanted);
    return draws && { median: quantileOf(means, 0.5), low: quantileOf(draws, 0.05), high: quantileOf(draws, 0.95), all: number === cloud.count };
  }
}
