// How numbers are written: a true minus, thousands commas, no more digits than they deserve. As in vae_core.captions.

const MINUS = "\u2212";
const whole = new Intl.NumberFormat("en-US", { maximumFractionDigits: 0 });

function signed(value, text) {
  return value < 0 && /[1-9]/.test(text) ? MINUS + text : text;
}

/** A number with so many decimals. */
// toFixed rounds the number itself, as Python does; Intl rounds the decimals it is written with, and 1.15 differs.
export function fixed(value, digits) {
  return signed(value, Math.abs(value).toFixed(digits).replace(/\B(?=(\d{3})+(?!\d))/g, ","));
}

/** Nats: one decimal from 1 on, two below; a dash if it is no number. */
export function nats(value) {
  const size = Math.abs(value);
  if (!Number.isFinite(size)) return "–";
  if (size >= 1e6) return signed(value, size.toExponential(1).replace("e+", "e"));
  return fixed(value, size >= 0.995 ? 1 : 2);
}

/** The texts of an ELBO, its reconstruction and its KL: all with the decimals of the smallest, for they are a sum. */
export function equation(...terms) {
  const known = terms.filter((value) => Number.isFinite(value));
  const small = known.some((value) => Math.abs(value) < 0.995) && known.every((value) => Math.abs(value) < 1e6);
  return terms.map((value) => (small && Number.isFinite(value) ? fixed(value, 2) : nats(value)));
}

/** A whole number, such as a step. */
export function count(value) {
  return signed(value, whole.format(Math.abs(value)));
}

/** A value of β: two decimals, or one significant digit when it is tiny. */
export function weight(value) {
  if (value >= 1e-4 && value < 0.005) return value.toPrecision(1);
  return fixed(value, 2);
}

/** The label of a gridline: as short as it can be. */
export function tick(value) {
  return String(Math.abs(value) >= 1000 ? whole.format(value) : +value.toPrecision(6)).replace("-", MINUS);
}
