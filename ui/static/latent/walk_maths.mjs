// The mathematics of a walk: paths between two codes, their norms and lengths, directions. As in vae_core.latents.

const SMALL = 1e-12;
const SAME = 1e-8; // radians between two directions that count as one
const OPPOSITE = 1e-6; // radians from half a turn

export const norm = (z) => Math.sqrt(z.reduce((sum, value) => sum + value * value, 0));

const blend = (a, b, share) => Array.from(a, (value, axis) => (1 - share) * value + share * b[axis]);

// The unit vector at a right angle to u, towards v; for an opposite v, towards the axis farthest from u.
function across(u, v, angle) {
  const sizes = u.map(Math.abs);
  const smallest = sizes.indexOf(Math.min(...sizes));
  const towards = Math.PI - angle < OPPOSITE ? u.map((_, axis) => Number(axis === smallest)) : v;
  const along = u.reduce((sum, value, axis) => sum + value * towards[axis], 0);
  const rest = u.map((value, axis) => towards[axis] - along * value);
  const size = norm(rest);
  return rest.map((value) => value / size);
}

/** From a to b: where the straight line is after a share of the way. */
export function lerp(a, b, share) {
  return share === 0 ? Array.from(a) : share === 1 ? Array.from(b) : blend(a, b, share);
}

/** From a to b with the direction turning, and the norm changing, at constant speed. Where no direction turns, `lerp`. */
export function slerp(a, b, share) {
  const [far, near] = [norm(a), norm(b)];
  if (share === 0 || share === 1 || Math.min(far, near) < SMALL || a.length === 1) return lerp(a, b, share);
  const [u, v] = [Array.from(a, (value) => value / far), Array.from(b, (value) => value / near)];
  const angle = 2 * Math.atan2(norm(u.map((value, axis) => value - v[axis])), norm(u.map((value, axis) => value + v[axis])));
  if (angle < SAME) return lerp(a, b, share);
  const turned = across(u, v, angle);
  const size = (1 - share) * far + share * near;
  return u.map((value, axis) => size * (Math.cos(share * angle) * value + Math.sin(share * angle) * turned[axis]));
}

export const PATHS = { linear: lerp, spherical: slerp };

/** A path as so many codes, both ends among them. */
export function walk(kind, a, b, steps) {
  return Array.from({ length: steps }, (_, step) => PATHS[kind](a, b, step / (steps - 1)));
}

/** How far the picture has changed at each point: the sum of Euclidean steps; pictures [k, size] one after another. */
export function pathLength(pictures, size) {
  const lengths = [0];
  for (let start = size; start < pictures.length; start += size) {
    let sum = 0;
    for (let index = start; index < start + size; index += 1) sum += (pictures[index] - pictures[index - size]) ** 2;
    lengths.push(lengths.at(-1) + Math.sqrt(sum));
  }
  return lengths;
}

/** z with one of its dimensions set to each of the values. */
export const traverse = (z, dimension, values) => values.map((value) => Array.from(z, (own, axis) => (axis === dimension ? value : own)));

/** The mean code of a class, or of all; null where there is no example of it. */
export function meanCode({ mean, label, count, latent }, wanted = null) {
  const sum = new Array(latent).fill(0);
  let members = 0;
  for (let index = 0; index < count; index += 1) {
    if (wanted !== null && label?.[index] !== wanted) continue;
    members += 1;
    for (let axis = 0; axis < latent; axis += 1) sum[axis] += mean[index * latent + axis];
  }
  return members ? sum.map((value) => value / members) : null;
}

/** The direction to the mean code of a class from that of another, or from the mean of all; null without examples. */
export function attribute(cloud, of, minus = null) {
  const [to, from] = [meanCode(cloud, of), meanCode(cloud, minus)];
  return to && from && to.map((value, axis) => value - from[axis]);
}

function logGamma(x) { // Lanczos, for x ≥ 1/2
  const weights = [676.5203681218851, -1259.1392167224028, 771.3234287776531, -176.6150291621406, 12.507343278686905, -0.13857109526572012,
    9.984369578019572e-6, 1.5056327351493116e-7];
  const sum = weights.reduce((total, weight, index) => total + weight / (x + index), 0.9999999999998099);
  const t = x + 6.5;
  return 0.5 * Math.log(2 * Math.PI) + (x - 0.5) * Math.log(t) - t + Math.log(sum);
}

// The share of a gamma distribution of shape a below x, by its series.
function gammaBelow(a, x) {
  let term = 1 / a;
  let sum = term;
  for (let k = 1; term > 1e-16 * sum; k += 1) sum += term *= x / (a + k);
  return x > 0 ? Math.min(1, sum * Math.exp(a * Math.log(x) - x - logGamma(a))) : 0;
}

/** The norm under which a draw from N(0, I) in d dimensions stays with probability p: a quantile of χ. */
export function shell(d, p) {
  let [low, high] = [0, Math.sqrt(d) + 10];
  for (let step = 0; step < 80; step += 1) {
    const middle = (low + high) / 2;
    if (gammaBelow(d / 2, middle ** 2 / 2) < p) low = middle;
    else high = middle;
  }
  return (low + high) / 2;
}

/** The value below which a share of the values lies; halfway between two where it falls between them. */
export function quantileOf(values, share) {
  const sorted = [...values].sort((one, other) => one - other);
  const place = share * (sorted.length - 1);
  const [below, above] = [sorted[Math.floor(place)], sorted[Math.ceil(place)]];
  return below + (place - Math.floor(place)) * (above - below);
}
