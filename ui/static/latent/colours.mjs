// What the colour of a point says: its class, or a number of it.

const CLASSES = {
  light: ["#995602", "#5D6165", "#401F0A", "#5A99A8", "#F05F72", "#948602", "#1A2EC2", "#7C42FB", "#73205F", "#244C1B"],
  dark: ["#DA7909", "#8C8C8D", "#F1AD9A", "#57D0EA", "#D21928", "#FCE720", "#3299F1", "#7040E2", "#A13F8C", "#9CFFD2"],
};
const RAMPS = { // from a little to a lot; only KL and reconstruction have a hue of their own
  light: { kl: ["#F5D6BA", "#5C1F00"], reconstruction: ["#E4E1D9", "#1463C7"], other: ["#E4E1D9", "#161A22"] },
  dark: { kl: ["#592F1F", "#FFE9D2"], reconstruction: ["#2A313D", "#6DB3FF"], other: ["#2A313D", "#F3F5F9"] },
};
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

/** The colours of a ramp, as a CSS gradient. */
export function gradient(name, theme) {
  const [from, to] = RAMPS[theme][name] ?? RAMPS[theme].other;
  return `linear-gradient(to right, ${from}, ${to})`;
}

/** RGBA bytes [n, 4] by class. */
export function byClass(labels, count, theme) {
  const palette = CLASSES[theme].map(rgb);
  const ink = rgb(RAMPS[theme].other[1]);
  return fill(count, (index) => (labels && labels[index] !== 255 ? palette[Math.min(labels[index], MOST - 1)] : ink));
}

/** RGBA bytes [n, 4] by a number of each. */
export function byNumber(values, name, theme) {
  const [low, high] = range(values);
  const [from, to] = (RAMPS[theme][name] ?? RAMPS[theme].other).map(rgb);
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
