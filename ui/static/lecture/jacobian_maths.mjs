// Invertible maps of the plane and the density of what comes out, told twice; as in vae_core.gradients.change.

import { LOG_2PI, apply, inverse, logDet, logNormal, multiply, transpose } from "./maths.mjs";

// A number with its derivatives in ε₁ and ε₂, which every step of a map carries along.
const constant = (value) => [value, 0, 0];
const plus = (a, b) => a.map((part, index) => part + b[index]);
const times = (factor, a) => a.map((part) => factor * part);
const through = (f, slope) => ([value, d1, d2]) => [f(value), slope(value) * d1, slope(value) * d2];

/** sinh(b y)/b for b > 0, asinh(−b y)/−b for b < 0: a bend of −b undoes one of b. */
export const bent = (y, bend) => (bend === 0 ? y : bend > 0 ? Math.sinh(bend * y) / bend : Math.asinh(-bend * y) / -bend);

const slope = (y, bend) => (bend > 0 ? Math.cosh(bend * y) : 1 / Math.sqrt(1 + (bend * y) ** 2));

/** A map z = bent(shift + factor ε); `factor` is lower triangular with a positive diagonal. */
export class PlaneMap {
  constructor({ shift, factor, bend = 0 }) {
    Object.assign(this, { shift, factor, bend });
  }

  /** ε to z. */
  forward([a, b]) {
    const [[l11], [l21, l22]] = this.factor;
    return [bent(this.shift[0] + l11 * a, this.bend), bent(this.shift[1] + l21 * a + l22 * b, this.bend)];
  }

  /** z back to ε. */
  backward(z) {
    const y = z.map((value, axis) => bent(value, -this.bend) - this.shift[axis]);
    const [[l11], [l21, l22]] = this.factor;
    const a = y[0] / l11;
    return [a, (y[1] - l21 * a) / l22];
  }

  /** ∂z/∂ε, a row for each z: derivatives carried through every step (forward-mode differentiation). */
  jacobian([a, b]) {
    const noise = [[a, 1, 0], [b, 0, 1]];
    const bend = through((y) => bent(y, this.bend), (y) => slope(y, this.bend));
    return this.factor.map((row, axis) => {
      const straight = row.reduce((sum, weight, index) => plus(sum, times(weight, noise[index])), constant(this.shift[axis]));
      return bend(straight).slice(1);
    });
  }

  /** ln q(z) without that: N(shift, factor factorᵀ) where z came from, with its covariance, and the slopes of the way back. */
  logDensity(z) {
    const y = z.map((value) => bent(value, -this.bend));
    const back = z.reduce((sum, value) => sum + Math.log(slope(value, -this.bend)), 0);
    const covariance = multiply(this.factor, transpose(this.factor));
    const offset = y.map((value, axis) => value - this.shift[axis]);
    const solved = apply(inverse(covariance), offset);
    const distance = offset[0] * solved[0] + offset[1] * solved[1];
    return -0.5 * (distance + logDet(covariance) + 2 * LOG_2PI) + back;
  }
}

/** Both sides of ln q(z) = ln p(ε) − ln|det ∂z/∂ε|, and their parts, in nats. */
export function bothSides(map, epsilon) {
  const [[a, b], [c, d]] = map.jacobian(epsilon);
  const logNoise = logNormal(epsilon, [0, 0], [1, 1]);
  const logVolume = Math.log(Math.abs(a * d - b * c));
  return { logNoise, logVolume, changed: logNoise - logVolume, direct: map.logDensity(map.forward(epsilon)) };
}

/** The area within corners, in their order. */
export const area = (corners) => Math.abs(corners.reduce((sum, [x, y], index) => {
  const [u, v] = corners[(index + 1) % corners.length];
  return sum + x * v - u * y;
}, 0)) / 2;
