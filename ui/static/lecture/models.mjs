// Models small enough to be exact: ln p(x), the posterior and every term of the bound, each by a way of its own.

import {
  LOG_2PI, added, apply, cholesky, diagonal, dot, identity, inverse, logDet, logNormal, logSumExp, multiply, scaled, standardKl, sum, transpose, trapezoid,
} from "./maths.mjs";

const REACH = 7; // of the prior, in standard deviations: beyond it nothing is left to integrate
// Steps of the trapezoid rule, for one and for two dimensions. Two sides of an equation never share their places.
const EVIDENCE = [0.1, 0.15];
const TERMS = [0.125, 0.25];
const GAP = [0.1, 0.2];
const SEARCH = [0.25, 0.5];
const softplus = (value) => (value > 0 ? value + Math.log1p(Math.exp(-value)) : Math.log1p(Math.exp(value)));

/** x = W z + b + σ ε with z and ε standard normal: everything in closed form. */
export class LinearModel {
  constructor({ weight, bias, sigma }, x) {
    const [noise, columns] = [sigma ** 2, transpose(weight)];
    const centred = x.map((value, index) => value - bias[index]);
    Object.assign(this, { weight, bias, sigma, noise, x, centred, latent: columns.length, exact: "closed forms" });
    this.precision = added(identity(this.latent), scaled(multiply(columns, weight), 1 / noise));
    this.covariance = inverse(this.precision);
    this.centre = apply(this.covariance, apply(columns, centred)).map((value) => value / noise);
    const marginal = added(multiply(weight, columns), scaled(identity(x.length), noise));
    this.logEvidence = -0.5 * (dot(centred, apply(inverse(marginal), centred)) + logDet(marginal) + x.length * LOG_2PI);
    this.best = { mean: this.centre, std: diagonal(this.precision).map((value) => 1 / Math.sqrt(value)) };
  }

  logLikelihood(z) {
    return logNormal(this.centred, apply(this.weight, z), this.x.map(() => this.sigma));
  }

  /** The terms of the bound at q = N(mean, std²), in nats. */
  terms(mean, std) {
    const spread = sum(transpose(this.weight).map((column, index) => dot(column, column) * std[index] ** 2));
    return { reconstruction: this.logLikelihood(mean) - spread / (2 * this.noise), kl: standardKl(mean, std) };
  }

  /** KL(q‖p(z|x)) in nats, as that of two Gaussians. */
  gap(mean, std) {
    const shift = mean.map((value, index) => value - this.centre[index]);
    const trace = sum(std.map((value, index) => this.precision[index][index] * value ** 2));
    return 0.5 * (dot(shift, apply(this.precision, shift)) + trace - this.latent - logDet(this.precision)) - sum(std.map(Math.log));
  }

  /** E_q[(p(z|x)/q)²] − 1; infinite where q has less than half the posterior's variance in some direction. */
  chiSquare(mean, std) {
    const own = std.map((value) => value ** -2);
    const both = added(scaled(this.precision, 2), identity(this.latent).map((row, index) => row.map((value) => -value * own[index])));
    if (!diagonal(cholesky(both)).every((value) => value > 0)) return Infinity;
    const pull = apply(this.precision, this.centre).map((value, index) => 2 * value - own[index] * mean[index]);
    const square = 2 * dot(this.centre, apply(this.precision, this.centre)) - sum(mean.map((value, index) => own[index] * value ** 2));
    const log = logDet(this.precision) + sum(std.map(Math.log)) - 0.5 * logDet(both) + 0.5 * (dot(pull, apply(inverse(both), pull)) - square);
    return Math.expm1(log);
  }
}

/** Independent bits with p(x_i = 1|z) = sigmoid(w_i · z + b_i), z standard normal of one or two dimensions: by quadrature. */
export class LogisticModel {
  constructor({ weight, bias }, x) {
    Object.assign(this, { weight, bias, x, latent: weight[0].length, exact: "quadrature" });
    const { places, weights } = grid(this.latent, EVIDENCE, REACH);
    const logs = places.map((z, index) => this.logLikelihood(z) + Math.log(weights[index]));
    this.logEvidence = logSumExp(logs);
    const share = logs.map((value) => Math.exp(value - this.logEvidence));
    this.centre = Array.from({ length: this.latent }, (_, axis) => sum(places.map((z, index) => share[index] * z[axis])));
    this.covariance = this.centre.map((own, axis) => this.centre.map((other, across) => sum(places.map((z, index) => share[index] * (z[axis] - own) * (z[across] - other)))));
    this.best = this.closest();
  }

  logLikelihood(z) {
    return sum(this.x.map((bit, index) => -softplus((bit ? -1 : 1) * (dot(this.weight[index], z) + this.bias[index]))));
  }

  terms(mean, std, steps = TERMS) {
    const { places, weights } = grid(this.latent, steps);
    const expected = sum(places.map((e, index) => weights[index] * this.logLikelihood(e.map((value, axis) => mean[axis] + std[axis] * value))));
    return { reconstruction: expected, kl: standardKl(mean, std) };
  }

  gap(mean, std) {
    const { places, weights } = grid(this.latent, GAP);
    const zero = mean.map(() => 0);
    const one = mean.map(() => 1);
    return sum(places.map((e, index) => {
      const z = e.map((value, axis) => mean[axis] + std[axis] * value);
      return weights[index] * (logNormal(z, mean, std) - this.logLikelihood(z) - logNormal(z, zero, one) + this.logEvidence);
    }));
  }

  // The q with the smallest gap: a search along each number in turn, with ever smaller steps.
  closest() {
    let state = [...this.centre, ...diagonal(this.covariance).map((value) => 0.5 * Math.log(value))];
    const cost = (numbers) => {
      const { reconstruction, kl } = this.terms(numbers.slice(0, this.latent), numbers.slice(this.latent).map(Math.exp), SEARCH);
      return sum(kl) - reconstruction;
    };
    let least = cost(state);
    for (let step = 0.1; step > 2e-4; step /= 2) {
      for (let index = 0; index < state.length; index += 1) {
        for (const way of [step, -step]) {
          const next = state.map((value, place) => (place === index ? value + way : value));
          const found = cost(next);
          if (found < least) [state, least] = [next, found];
        }
      }
    }
    return { mean: state.slice(0, this.latent), std: state.slice(this.latent).map(Math.exp) };
  }
}

const grids = new Map();

// Places and weights of the standard normal in one or two dimensions.
function grid(latent, steps, reach = 8.5) {
  const name = `${latent} ${steps[latent - 1]} ${reach}`;
  if (!grids.has(name)) {
    const line = trapezoid(steps[latent - 1], reach);
    const all = latent === 1 ? line.map(([e, w]) => [[e], w]) : line.flatMap(([a, u]) => line.map(([b, v]) => [[a, b], u * v]));
    const kept = all.filter(([, weight]) => weight > 1e-18);
    grids.set(name, { places: kept.map(([place]) => place), weights: kept.map(([, weight]) => weight) });
  }
  return grids.get(name);
}

/** ln p(x, z): likelihood and prior. */
export const logJoint = (model, z) => model.logLikelihood(z) + logNormal(z, z.map(() => 0), z.map(() => 1));
