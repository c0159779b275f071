// Pixels from 0 to 1 as a picture: ink on paper in the light theme, light on dark in the dark one, colours as they are.

/** Draws pixels [c, h, w] into a context at a place, one for one. */
export function paint(context, pixels, { channels, height, width }, theme, [left, top] = [0, 0], start = 0) {
  const image = context.createImageData(width, height);
  const inverted = channels === 1 && theme === "light";
  const plane = height * width;
  for (let index = 0; index < plane; index += 1) {
    for (let colour = 0; colour < 3; colour += 1) {
      const value = pixels[start + (channels === 3 ? colour * plane : 0) + index];
      image.data[4 * index + colour] = 255 * (inverted ? 1 - value : value);
    }
    image.data[4 * index + 3] = 255;
  }
  context.putImageData(image, left, top);
}

/** Draws pixels as the whole of a canvas. */
export function show(canvas, pixels, shape, theme, start = 0) {
  if (canvas.width !== shape.width || canvas.height !== shape.height) Object.assign(canvas, { width: shape.width, height: shape.height });
  canvas.classList.toggle("lc-smooth", shape.height > 16);
  paint(canvas.getContext("2d"), pixels, shape, theme, [0, 0], start);
}
