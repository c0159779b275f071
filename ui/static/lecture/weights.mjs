// Importance weights: ln w = ln p(x, z) - ln q(z) of codes drawn from q, and what estimates of ln p(x) they make.

import { normal, random } from "../latent/chance.mjs";
import { LOG_2PI, added, dot, identity, sum } from "./maths.mjs";

/** The numbers of samples at which an estimate is looked at. */
export const COUNTS = [1, 2, 3, 5, 10, 20, 30, 50, 100, 200, 300, 500, 1000, 2000, 3000, 5000, 10000];

/** Draws ln w for a linear-Gaussian model and q = N(mean, std²): `fill(out)` writes so many of them.
    ln w is a quadratic in the noise ε of z = mean + std ε, whose coefficients are worked out once. */
export function gaussianWeights(model, { mean, std }, seed) {
  const draw = random(seed);
  const noise = () => normal(draw);
  const size = model.latent;
  // ln p(x, z) = at the mean + slope · (std ε) - ½ (std ε)ᵀ P (std ε), and ln q = -½ ε² - ½ J ln 2π - Σ ln std.
  const { precision, centre } = model;
  const shift = mean.map((value, axis) => centre[axis] - value);
  const slope = precision.map((row, axis) => std[axis] * dot(row, shift));
  const curve = added(precision.map((row, axis) => row.map((value, other) => -0.5 * std[axis] * value * std[other])), identity(size).map((row) => row.map((value) => 0.5 * value)));
  const level = model.logLikelihood(mean) - 0.5 * (dot(mean, mean) + size * LOG_2PI) + 0.5 * size * LOG_2PI + sum(std.map(Math.log));
  const plain = curve.every((row, axis) => row.every((value, other) => axis === other || Math.abs(value) < 1e-14));
  const e = new Float64Array(size);
  return (out) => {
    for (let index = 0; index < out.length; index += 1) {
      let value = level;
      for (let axis = 0; axis < size; axis += 1) {
        e[axis] = noise();
        value += e[axis] * (slope[axis] + curve[axis][axis] * e[axis]);
        if (!plain) for (let other = 0; other < axis; other += 1) value += 2 * curve[axis][other] * e[axis] * e[other];
      }
      out[index] = value;
    }
    return out;
  };
}

/** ln p̂_K of one stream of ln w for each K of COUNTS that it is long enough for. */
export function estimates(logs) {
  const found = [];
  let [top, total, next] = [-Infinity, 0, 0];
  for (let index = 0; index < logs.length && next < COUNTS.length; index += 1) {
    const value = logs[index];
    if (value > top) [top, total] = [value, total * Math.exp(top - value) + 1];
    else total += Math.exp(value - top);
    if (index + 1 === COUNTS[next]) {
      found.push(top + Math.log(total) - Math.log(index + 1));
      next += 1;
    }
  }
  return found;
}

/** (Σ w)² / Σ w²: how many equal weights these are worth. */
export function effective(logs) {
  let top = -Infinity;
  for (const value of logs) if (value > top) top = value;
  let [one, two] = [0, 0];
  for (const value of logs) {
    const w = Math.exp(value - top);
    [one, two] = [one + w, two + w * w];
  }
  return (one * one) / two;
}
