// How numbers are written: a true minus, thousands commas, no more digits than they deserve.

const MINUS = "\u2212";
const whole = new Intl.NumberFormat("en-US", { maximumFractionDigits: 0 });
const fixed = [1, 2].map((digits) => new Intl.NumberFormat("en-US", {
  minimumFractionDigits: digits, maximumFractionDigits: digits,
}));

function signed(value, format) {
  const text = format.format(Math.abs(value));
  return value < 0 && /[1-9]/.test(text) ? MINUS + text : text;
}

/** Nats: one decimal from 1 on, two below. */
export function nats(value) {
  if (!Number.isFinite(value)) return String(value);
  return signed(value, fixed[Math.abs(value) >= 1 ? 0 : 1]);
}

/** A whole number, such as a step. */
export function count(value) {
  return signed(value, whole);
}

/** A value of β: two decimals, or one significant digit when it is tiny. */
export function weight(value) {
  if (value > 0 && value < 0.005) return value.toPrecision(1);
  return signed(value, fixed[1]);
}

/** The label of a gridline: as short as it can be. */
export function tick(value) {
  return String(Math.abs(value) >= 1000 ? whole.format(value) : +value.toPrecision(6)).replace("-", MINUS);
}
