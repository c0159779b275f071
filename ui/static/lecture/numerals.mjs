// How numbers are written here: thousands commas, powers of ten beyond and raised, and sums that are right as printed.

import { node, shape } from "../run/nodes.mjs";
import { fixed, tick } from "../run/numbers.mjs";

const UP = { "font-size": "0.75em", dy: "-0.44em" };
const DOWN = { dy: "0.33em" }; // the same way back, in the larger letters

/** Three digits that matter, with thousands commas; "1.2 × 10^9" from a million on, and below a thousandth. */
export function short(value) {
  if (value === 0) return "0";
  const size = Math.abs(value);
  if (size >= 999999.5 || size < 1e-3) {
    const [digits, power] = value.toExponential(1).replaceAll("-", "\u2212").replace("+", "").replace(".0", "").split("e");
    return digits === "1" ? `10^${power}` : `${digits} × 10^${power}`;
  }
  return size >= 100 ? tick(Math.round(value)) : tick(Number(value.toPrecision(3)));
}

/** One number less another, both with the two decimals that are printed of them. */
export const differenceOfPrinted = (one, other) => Number(one.toFixed(2)) - Number(other.toFixed(2));

/** How many decimals nats deserve that stand in one sum, of which this is the smallest part that matters. */
export const decimals = (least) => (least < 0.995 ? 2 : 1);

/** The texts of a whole and of its parts, of which the last is what the others leave of the whole as it is printed. */
export function addedUp(digits, whole, ...parts) {
  const rounded = [whole, ...parts].map((value) => Number(value.toFixed(digits)));
  const rest = rounded.slice(1, -1).reduce((left, value) => left - value, rounded[0]);
  return [...rounded.slice(0, -1), rest].map((value) => fixed(value, digits));
}

/** Raises what follows a ^ in the text of an element of HTML or SVG. */
export function raise(element) {
  const parts = element.textContent.split(/\^(\u2212?\d+)/);
  if (parts.length === 1) return;
  element.replaceChildren();
  parts.forEach((part, index) => {
    if (!(element instanceof SVGElement)) return index % 2 ? node(element, "sup", "", part) : element.append(part);
    shape(element, "tspan", "", index % 2 ? UP : index ? DOWN : {}).textContent = part;
  });
}

/** The same for all texts within an element of SVG. */
export const raiseAll = (group) => group.querySelectorAll("text").forEach(raise);
