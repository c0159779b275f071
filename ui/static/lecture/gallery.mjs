// The first test images of a run, to choose one of.

import { Tiles } from "../latent/tiles.mjs";
import { node, set } from "../run/nodes.mjs";

/** A row of images; `change(index)` hears which was pressed, `draw(theme)` paints them, `put(index)` marks one. */
export function gallery(parent, { tiles, count, value, change }) {
  const row = set(node(parent, "div", "lx-tiles"), { role: "group", "aria-label": "Test images" });
  const sheet = tiles && new Tiles(tiles, () => paint());
  let theme = "light";
  const buttons = Array.from({ length: count }, (_, index) => {
    const button = set(node(row, "button", "lx-tile"), { type: "button", "aria-label": `Test image ${index}` });
    button.addEventListener("click", () => (put(index), change(index)));
    return { button, canvas: node(button, "canvas") };
  });
  const put = (chosen) => buttons.forEach(({ button }, index) => set(button, { "aria-pressed": index === chosen }));
  const paint = () => sheet && buttons.forEach(({ canvas }, index) => sheet.show(canvas, index, theme));
  put(value);
  return {
    row, put,
    draw(now) {
      if (theme === now && row.dataset.drawn) return;
      theme = now;
      row.dataset.drawn = 1;
      paint();
    },
  };
}
