// The walk as files: a picture of its strips, and a film of the way there and back.

import { paint } from "./picture.mjs";
import { NAMES } from "./walk_words.mjs";

const FILM = 168; // pixels of a frame's longer side, about
const FRAME = 70; // ms
const TILE = 112; // pixels of a tile in the picture of the strips, about
const MARGIN = 24;

// A copy of a picture, `times` as large: hard pixels if there are few, smooth ones if there are many.
function enlarged(pixels, shape, theme, start, times) {
  const small = Object.assign(document.createElement("canvas"), { width: shape.width, height: shape.height });
  paint(small.getContext("2d"), pixels, shape, theme, [0, 0], start);
  const canvas = Object.assign(document.createElement("canvas"), { width: times * shape.width, height: times * shape.height });
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.imageSmoothingEnabled = shape.height > 16;
  context.drawImage(small, 0, 0, canvas.width, canvas.height);
  return canvas;
}

const timesFor = (side, { width, height }) => Math.max(1, Math.round(side / Math.max(width, height)));
const sizeOf = ({ channels, width, height }) => channels * width * height;

// A grey picture needs no search for its colours: they are the 256 greys.
const GREYS = Array.from({ length: 256 }, (_, value) => [value, value, value]);

function colours(data, grey, { quantize, applyPalette }) {
  if (grey) return [GREYS, Uint8Array.from({ length: data.length / 4 }, (_, index) => data[4 * index])];
  const palette = quantize(data, 256);
  return [palette, applyPalette(data, palette)];
}

/** A film of pictures [k, c, h, w], from the first to the last and back; it runs for ever. */
export async function film(pixels, shape, theme) {
  const encoder = await import(new URL("../vendor/gifenc.mjs", import.meta.url));
  const number = pixels.length / sizeOf(shape);
  const there = Array.from({ length: number }, (_, index) => index);
  const gif = encoder.GIFEncoder();
  for (const index of [...there, ...there.slice(1, -1).reverse()]) {
    const canvas = enlarged(pixels, shape, theme, index * sizeOf(shape), timesFor(FILM, shape));
    const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
    const [palette, indices] = colours(data, shape.channels === 1, encoder);
    gif.writeFrame(indices, canvas.width, canvas.height, { palette, delay: FRAME });
    await new Promise((resolve) => setTimeout(resolve));
  }
  gif.finish();
  return new Blob([gif.bytes()], { type: "image/gif" });
}

/** The strips, one under the other: [{ kind, pixels [k, c, h, w] }] as a PNG in the colours of the page. */
export function stripPicture(strips, shape, theme, { page, ink }) {
  const times = timesFor(TILE, shape);
  const [width, height] = [times * shape.width, times * shape.height];
  const number = strips[0].pixels.length / sizeOf(shape);
  const canvas = document.createElement("canvas");
  Object.assign(canvas, { width: number * (width + 8) - 8 + 2 * MARGIN, height: strips.length * (height + 44) + 2 * MARGIN - 12 });
  const context = canvas.getContext("2d");
  Object.assign(context, { fillStyle: page });
  context.fillRect(0, 0, canvas.width, canvas.height);
  strips.forEach(({ kind, pixels }, row) => {
    const top = MARGIN + row * (height + 44);
    Object.assign(context, { fillStyle: ink, font: "24px Inter, sans-serif", textBaseline: "middle" });
    context.fillText(strips.length > 1 ? NAMES[kind] : "", MARGIN, top + 12);
    for (let index = 0; index < number; index += 1) {
      context.drawImage(enlarged(pixels, shape, theme, index * sizeOf(shape), times), MARGIN + index * (width + 8), top + 32);
    }
  });
  return new Promise((resolve) => canvas.toBlob(resolve, "image/png"));
}
