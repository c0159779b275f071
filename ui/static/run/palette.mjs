// The colours that are painted on a canvas rather than styled, and the choice of a theme.

const STOPS = {
  light: ["#F3EFE6", "#F5D6BA", "#F4BC8D", "#F2A25C", "#E28443", "#D16728", "#BF4700", "#9D3900", "#7C2C00", "#5C1F00"],
  dark: ["#1A1E27", "#3A2825", "#592F1F", "#7A3510", "#A45322", "#D17435", "#FF9549", "#FFB27B", "#FFCEA7", "#FFE9D2"],
};
const BRIGHTEST = 1.2; // nats of one dimension; never rescaled, so that runs can be compared

// A pixel of ImageData, read as one little-endian integer.
function pixel(hex) {
  const [red, green, blue] = [1, 3, 5].map((start) => parseInt(hex.slice(start, start + 2), 16));
  return ((255 << 24) | (blue << 16) | (green << 8) | red) >>> 0;
}

const PIXELS = { light: STOPS.light.map(pixel), dark: STOPS.dark.map(pixel) };

/** The pixel that stands for a KL of so many nats. */
export function heat(value, theme) {
  const place = Math.round((value / BRIGHTEST) * (STOPS.light.length - 1));
  return PIXELS[theme][Math.max(0, Math.min(STOPS.light.length - 1, place))];
}

function background(element) {
  for (let node = element; node; node = node.parentElement) {
    const [red, green, blue, alpha = 1] = getComputedStyle(node).backgroundColor.match(/[\d.]+/g)?.map(Number) ?? [];
    if (red !== undefined && alpha > 0.5) return [red, green, blue];
  }
  return null;
}

/** The theme of the page around an element, told from the luminance behind it. */
export function themeAround(element) {
  const colour = background(element);
  if (!colour) return matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
  const [red, green, blue] = colour;
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue < 128 ? "dark" : "light";
}
