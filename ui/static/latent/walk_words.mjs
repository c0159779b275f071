// What the numbers of a walk mean, in words: whether it is plausible, and whether it is smooth.

import { count, nats } from "./words.mjs";

export const NAMES = { linear: "straight", spherical: "spherical" };
const DIP = 1; // nats below its ends, under which a path is as likely as they are
const SUDDEN = 0.2; // of the way: where half of the change happens within less, the picture jumps
const STILL = 0.01; // root mean square change of a pixel between the ends, under which nothing is seen

const amount = (value) => (value >= 10 ? count(Math.round(value)) : nats(value));
const within = (share) => `${Math.max(1, Math.round(100 * share))} %`;

/** The smallest share of the way, in whole steps, in which half of the change happens. */
export function halfOfTheChange(length) {
  const total = length.at(-1);
  let least = 1;
  for (let from = 0, to = 0; to < length.length; to += 1) {
    while (length[to] - length[from + 1] >= total / 2) from += 1;
    if (length[to] - length[from] >= total / 2) least = Math.min(least, (to - from) / (length.length - 1));
  }
  return least;
}

// How far a path falls below its less likely end, if that takes it to where codes of images hardly ever are.
function dip({ density }, floor) {
  const least = Math.min(...density);
  const deep = Math.min(density[0], density.at(-1)) - least;
  return deep >= DIP && least < floor ? deep : 0;
}

function plausible(paths, floor) {
  const dips = paths.map((path) => dip(path, floor));
  const crossing = paths.filter((_, index) => dips[index]);
  const [name] = crossing.map(({ kind }) => NAMES[kind]);
  if (paths.length === 1) {
    return crossing.length ? `The path crosses a region ${amount(dips[0])} nats less likely than the images at its ends.`
      : "The path stays where the codes of images are.";
  }
  if (!crossing.length) return "Both paths stay where the codes of images are.";
  if (crossing.length === 1) return `The ${name} path crosses a region ${amount(Math.max(...dips))} nats less likely than the images at its ends; the ${NAMES[paths.find((path) => path !== crossing[0]).kind]} one does not.`;
  return `Both paths cross regions less likely than the images at their ends: the ${paths.map(({ kind }, index) => `${NAMES[kind]} one by ${amount(dips[index])}${index ? "" : " nats"}`).join(", the ")}.`;
}

function smooth(paths, floor, pixels) {
  const known = paths.filter(({ length }) => length);
  if (known.length < paths.length) return "";
  if (known.every(({ length }) => length.at(-1) < STILL * Math.sqrt(pixels))) return " The picture does not change.";
  const halves = known.map(({ kind, length }) => [kind, halfOfTheChange(length)]);
  const [worst, share] = halves.reduce((one, other) => (other[1] < one[1] ? other : one));
  const crossing = paths.some((path) => dip(path, floor));
  if (share < SUDDEN) return ` The picture jumps: half of its change happens within ${within(share)} of the ${paths.length > 1 ? `${NAMES[worst]} ` : ""}path.`;
  return crossing ? " Yet the picture changes smoothly." : " The picture changes smoothly, too.";
}

/** Smooth or plausible? `paths`: [{ kind, density, length }], ln q(z) and the change of the picture (null: unknown) at
    even steps; `floor`: ln q(z) that 95 % of the codes of images exceed; `pixels` of a picture. */
export function verdict(paths, floor, pixels) {
  return plausible(paths, floor) + smooth(paths, floor, pixels);
}

/** What stands beside the norm where some dimensions are not in use. */
export function unused(active) {
  const dead = active.filter((used) => !used).length;
  if (!dead) return "";
  return dead === active.length ? "This model does not use its code: every z gives the same picture."
    : `${dead} of ${active.length} dimensions ${dead === 1 ? "is" : "are"} not in use and ${dead === 1 ? "stays" : "stay"} near 0, so codes of images have smaller norms than draws from the prior.`;
}
