// What the colour of a point says: its class, or a number of it.

const CLASSES = {
  light: ["#995602", "#5D6165", "#401F0A", "#5A99A8", "#F05F72", "#948602", "#1A2EC2", "#7C42FB", "#73205F", "#244C1B"],
  dark: ["#DA7909", "#8C8C8D", "#F1AD9A", "#57D0EA", "#D21928", "#FCE720", "#3299F1", "#7040E2", "#A13F8C", "#9CFFD2"],
};
const KL = { light: ["#F5D6BA", "#5C1F00"], dark: ["#592F1F", "#FFE9D2"] }; // two stops of its scale
const MOST = 10; // classes that can be told apart; of more, the ten-th colour is for all the rest
const ALPHA = 190;

const rgb = (hex) => [1, 3, 5].map((start) => parseInt(hex.slice(start, start + 2), 16));

/** The colour of a class. */
export const classColour = (label, theme) => CLASSES[theme][Math.min(label, MOST - 1)];

/** The range that colours span: without the outermost hundredth on either side. */
export function range(values) {
  const sorted = Float32Array.from(values).filter(Number.isFinite).sort();
  const at = (share) => sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? 0;
  return [at(0.01), at(0.99)];
}

/** From a little to a lot of a number; only KL and reconstruction have a hue of their own. */
export function ramp(name, theme, { rule, ink, blue }) {
  return name === "kl" ? KL[theme] : [rule, name === "reconstruction" ? blue : ink];
}

/** The colours of a ramp, as a CSS gradient. */
export const gradient = ([from, to]) => `linear-gradient(to right, ${from}, ${to})`;

/** RGBA bytes [n, 4] by class; an example without one is ink. */
export function byClass(labels, count, theme, ink) {
  const [none, ...palette] = [ink, ...CLASSES[theme]].map(rgb);
  return fill(count, (index) => (labels && labels[index] !== 255 ? palette[Math.min(labels[index], MOST - 1)] : none));
}

/** RGBA bytes [n, 4] by a number of each. */
export function byNumber(values, scale) {
  const [low, high] = range(values);
  const [from, to] = scale.map(rgb);
  return fill(values.length, (index) => {
    const share = Math.max(0, Math.min(1, (values[index] - low) / (high - low || 1))) || 0;
    return from.map((start, colour) => start + share * (to[colour] - start));
  });
}

function fill(count, colour) {
  const bytes = new Uint8Array(4 * count);
  for (let index = 0; index < count; index += 1) {
    bytes.set(colour(index), 4 * index);
    bytes[4 * index + 3] = ALPHA;
  }
  return bytes;
}
