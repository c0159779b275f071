// KL(N(μ, σ²)‖N(0, 1)) in halves, and from draws; as in vae_core.gradients.halves, in nats.

import { LOG_2PI, trapezoid } from "./maths.mjs";

/** ∫q ln p. */
export const priorHalf = (mu, sigma) => -0.5 * (LOG_2PI + mu * mu + sigma * sigma);

/** ∫q ln q. */
export const ownHalf = (sigma) => -0.5 * (LOG_2PI + 1) - Math.log(sigma);

/** What a scan of the note has for it, with 3 + σ² in the place of 1 + ln σ². */
export const misread = (sigma) => -0.5 * (LOG_2PI + 3 + sigma * sigma);

/** The standard error of the KL from so many draws. */
export const samplingError = (mu, sigma, samples = 1) => Math.sqrt(((sigma * sigma - 1) ** 2 / 2 + mu * mu * sigma * sigma) / samples);

/** ln q(z) − ln p(z) at z = μ + σε. */
export const logRatio = (mu, sigma, e) => 0.5 * ((mu + sigma * e) ** 2 - e * e) - Math.log(sigma);

/** ∫q ln p and ∫q ln q by quadrature, knowing only the two densities. */
export function quadrature(mu, sigma) {
  const half = (of) => trapezoid().reduce((sum, [e, weight]) => sum + weight * of(e), 0);
  return [half((e) => -0.5 * (LOG_2PI + (mu + sigma * e) ** 2)), half((e) => -0.5 * (LOG_2PI + e * e) - Math.log(sigma))];
}
