// An image from outside: drawn with the pointer or uploaded, made as small as the model's own, encoded by the server.

import { node } from "../run/nodes.mjs";
import { answer } from "./answer.mjs";

const SIDE = 140; // CSS pixels of the pad
const PEN = 0.09; // of its side
const OPAQUE = { alpha: false, willReadFrequently: true }; // black where nothing is drawn
const FILLED = 20 / 28; // of the side that the drawing's longer edge takes, as in MNIST

// The brightness of each pixel [c, h, w], 0 to 255, of whatever is drawn into a canvas of the model's size.
function pixels(canvas, { channels, height, width }, inverted) {
  const { data } = canvas.getContext("2d").getImageData(0, 0, width, height);
  const plane = width * height;
  const out = new Uint8Array(channels * plane);
  for (let index = 0; index < plane; index += 1) {
    const [red, green, blue] = data.subarray(4 * index, 4 * index + 3);
    if (channels === 3) [red, green, blue].forEach((value, colour) => (out[colour * plane + index] = value));
    else out[index] = (inverted ? 255 : 0) + (inverted ? -1 : 1) * Math.round(0.2126 * red + 0.7152 * green + 0.0722 * blue);
  }
  return out;
}

function small({ height, width }) {
  const canvas = Object.assign(document.createElement("canvas"), { width, height });
  const context = canvas.getContext("2d", OPAQUE);
  context.imageSmoothingQuality = "high";
  return [canvas, context];
}

// The box around what is drawn in white.
function drawn(pad) {
  const { data, width, height } = pad.getContext("2d").getImageData(0, 0, pad.width, pad.height);
  const box = [width, height, -1, -1];
  for (let y = 0; y < height; y += 1) {
    for (let x = 0; x < width; x += 1) {
      if (data[4 * (y * width + x)] < 40) continue;
      box.splice(0, 4, Math.min(box[0], x), Math.min(box[1], y), Math.max(box[2], x), Math.max(box[3], y));
    }
  }
  return box[2] < 0 ? null : box;
}

/** The drawing in the middle of an image of the model's size, as large as digits are in MNIST. */
export function centred(pad, shape) {
  const box = drawn(pad);
  if (!box) return null;
  const [left, top, right, bottom] = box;
  const size = Math.max(right - left, bottom - top) + 1;
  const scale = (FILLED * Math.min(shape.width, shape.height)) / size;
  const [canvas, context] = small(shape);
  const [width, height] = [(right - left + 1) * scale, (bottom - top + 1) * scale];
  context.drawImage(pad, left, top, right - left + 1, bottom - top + 1, (shape.width - width) / 2, (shape.height - height) / 2, width, height);
  return pixels(canvas, shape, false);
}

// A picture from a file; grey ones are taken as ink on paper when they are mostly bright.
async function uploaded(file, shape) {
  const bitmap = await createImageBitmap(file);
  const [canvas, context] = small(shape);
  const scale = Math.min(shape.width / bitmap.width, shape.height / bitmap.height);
  const [width, height] = [bitmap.width * scale, bitmap.height * scale];
  context.drawImage(bitmap, (shape.width - width) / 2, (shape.height - height) / 2, width, height);
  const values = pixels(canvas, shape, false);
  const bright = shape.channels === 1 && values.reduce((sum, value) => sum + value, 0) > 127 * values.length;
  return bright ? pixels(canvas, shape, true) : values;
}

function pen(pad, onStroke) {
  const context = pad.getContext("2d", OPAQUE);
  let drawing = false;
  const spot = (event) => {
    const box = pad.getBoundingClientRect();
    return [((event.clientX - box.left) * pad.width) / box.width, ((event.clientY - box.top) * pad.height) / box.height];
  };
  pad.addEventListener("pointerdown", (event) => {
    drawing = true;
    pad.setPointerCapture(event.pointerId);
    Object.assign(context, { strokeStyle: "#FFFFFF", lineWidth: PEN * pad.width, lineCap: "round", lineJoin: "round" });
    context.beginPath();
    context.moveTo(...spot(event));
  });
  pad.addEventListener("pointermove", (event) => {
    if (!drawing) return;
    context.lineTo(...spot(event));
    context.stroke();
  });
  pad.addEventListener("pointerup", () => {
    drawing = false;
    onStroke();
  });
}

// An image [c, h, w] of bytes goes to the encoder, which says where it stands.
async function encode(bytes, view) {
  const { base, cloud, abort: { signal } } = view;
  try {
    const response = await answer(`${base}/encode?step=${cloud.head.step}`, { method: "POST", body: bytes, signal });
    const found = await response.json();
    view.note("");
    view.welcome(found, bytes);
  } catch (error) {
    if (!signal.aborted) view.note(error.message);
  }
}

/** The fold with the pad. `view.welcome({ mean, sigma }, bytes)` is given q(z|x) of an image and the image [c, h, w]
    itself; `view.note(words)` hears what went wrong. */
export function createGuests(side, view) {
  const fold = node(side, "details", "lc-fold");
  node(fold, "summary", "", "Your own image");
  const pad = Object.assign(node(node(fold, "div", "lc-paper"), "canvas", "lc-pad"), { width: 2 * SIDE, height: 2 * SIDE });
  pad.setAttribute("role", "img");
  pad.setAttribute("aria-label", "Draw here with the pointer; the image is encoded when you let go");
  const bar = node(fold, "div", "lc-bar");
  const again = Object.assign(node(bar, "button", "lc-button", "Clear"), { type: "button" });
  const label = node(bar, "label", "lc-button", "Upload");
  const input = Object.assign(node(label, "input", "lc-file"), { type: "file", accept: "image/*", ariaLabel: "Upload an image" });
  pen(pad, () => {
    const bytes = centred(pad, view.shape);
    if (bytes) encode(bytes, view);
  });
  again.addEventListener("click", () => pad.getContext("2d").clearRect(0, 0, pad.width, pad.height));
  input.addEventListener("change", async () => {
    const [file] = input.files;
    input.value = "";
    if (file) await uploaded(file, view.shape).then((bytes) => encode(bytes, view), () => view.note("That file is no picture that this browser can read."));
  });
  return { show: (known) => (fold.hidden = !known) };
}
