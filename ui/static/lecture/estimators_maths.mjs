// d/dμ and d/dσ of E[z²] under N(μ, σ²), estimated in four ways whose variances are exact; as in vae_core.gradients.

import { normal, random } from "../latent/chance.mjs";

export const ESTIMATORS = ["pathwise", "leave-one-out", "baseline", "score"];
export const NAMES = { pathwise: "path", "leave-one-out": "leave-one-out", baseline: "baseline", score: "score" };
export const CLASSES = { pathwise: "", "leave-one-out": "lx-thin", baseline: "lx-thin lx-dashed lx-faint", score: "lx-faint" };

/** Whether an estimator works with so few samples. */
export const works = (estimator, samples) => estimator !== "leave-one-out" || samples > 1;

/** What all estimate: 2μ or 2σ. */
export const gradient = (mu, sigma, of) => 2 * (of === "mu" ? mu : sigma);

/** The exact variance of an estimate of the derivative in μ or in σ from so many samples. */
export function variance(estimator, mu, sigma, of, samples = 1) {
  const [m, v] = [mu * mu, sigma * sigma];
  if (estimator === "leave-one-out") {
    const score = (of === "mu" ? 1 : 2) / v;
    const extra = (gradient(mu, sigma, of) ** 2 + (4 * m * v + 2 * v * v) * score) / (samples - 1);
    return (variance("baseline", mu, sigma, of) + extra) / samples;
  }
  const single = {
    pathwise: [4 * v, 4 * m + 8 * v],
    score: [(m * m) / v + 14 * m + 15 * v, (2 * m * m) / v + 60 * m + 74 * v],
    baseline: [8 * m + 10 * v, 40 * m + 56 * v],
  }[estimator];
  return single[of === "mu" ? 0 : 1] / samples;
}

/** Noise that is the same each time: numbers from N(0, 1). */
export function noise(count, seed) {
  const draw = random(seed);
  return Float64Array.from({ length: count }, () => normal(draw));
}

/** Estimates, each from the next `samples` numbers of the noise. */
export function estimates(estimator, mu, sigma, of, samples, epsilon) {
  const found = new Float64Array(Math.floor(epsilon.length / samples));
  const expected = mu * mu + sigma * sigma;
  for (let repeat = 0, at = 0; repeat < found.length; repeat += 1) {
    let [total, values, scores] = [0, 0, 0];
    for (let sample = 0; sample < samples; sample += 1, at += 1) {
      const e = epsilon[at];
      const z = mu + sigma * e;
      const score = (of === "mu" ? e : e * e - 1) / sigma;
      if (estimator === "pathwise") total += 2 * z * (of === "mu" ? 1 : e);
      else total += (estimator === "baseline" ? z * z - expected : z * z) * score;
      values += z * z;
      scores += score;
    }
    // Less the mean of the others, for each sample: the sample covariance of f and the score.
    found[repeat] = estimator === "leave-one-out" ? (total - (values * scores) / samples) / (samples - 1) : total / samples;
  }
  return found;
}

/** The mean squared distance of estimates from the truth, and its standard error. */
export function spread(found, truth) {
  let [first, second] = [0, 0];
  for (const value of found) {
    const squared = (value - truth) ** 2;
    first += squared;
    second += squared * squared;
  }
  const mean = first / found.length;
  return { variance: mean, error: Math.sqrt(Math.max(0, second / found.length - mean * mean) / found.length) };
}
