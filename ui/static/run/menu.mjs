// The figure's menu: take it away as a drawing, as a picture, as a table, or as a link.

import { node, shape } from "./nodes.mjs";
import { download, png, svg } from "./picture.mjs";
import { table } from "./table.mjs";

const stem = (figure) => figure.views.map(({ meta }) => meta.name).join("-and-") || "figure";

const ITEMS = [
  ["SVG", async (figure) => download(`${stem(figure)}.svg`, new Blob([await svg(figure.root)], { type: "image/svg+xml" }))],
  ["PNG, 2×", async (figure) => download(`${stem(figure)}.png`, await png(figure.root, 2))],
  ["CSV", (figure) => figure.views.forEach(({ meta, all }) => download(`${meta.name}.csv`, new Blob([table(all, meta)], { type: "text/csv" })))],
  ["Copy link", (figure) => navigator.clipboard.writeText(figure.settings.link), ({ settings }) => settings.link],
];

function fill(list, figure, close, say) {
  list.replaceChildren();
  for (const [name, act, wanted] of ITEMS) {
    if (wanted && !wanted(figure)) continue;
    const item = node(list, "button", "er-item", name);
    Object.assign(item, { type: "button", role: "menuitem" });
    item.addEventListener("click", async () => {
      close();
      try {
        await act(figure);
        if (name === "Copy link") say("Link copied");
      } catch {
        say(`${name} did not work in this browser`);
      }
    });
  }
}

function roving(event, list, close) {
  const items = [...list.children];
  const way = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  if (event.key === "Escape") close();
  if (!way) return;
  event.preventDefault();
  items[(items.indexOf(document.activeElement) + way + items.length) % items.length].focus();
}

/** Makes the button and its list at the end of a bar. */
export function createMenu(bar, figure) {
  const box = node(bar, "div", "er-menu");
  const button = node(box, "button", "er-button");
  Object.assign(button, { type: "button", title: "Take the figure away", ariaLabel: "Take the figure away", ariaHasPopup: "menu", ariaExpanded: "false" });
  const dots = shape(button, "svg", "er-glyph", { viewBox: "0 0 16 16", "aria-hidden": "true" });
  for (const x of [3, 8, 13]) shape(dots, "circle", "", { cx: x, cy: 8, r: 1.4 });
  const list = node(box, "div", "er-list");
  const said = node(box, "span", "er-said");
  said.setAttribute("role", "status");
  list.setAttribute("role", "menu");
  list.hidden = true;
  const open = (shown) => {
    if (shown) fill(list, figure, () => open(false), say);
    list.hidden = !shown;
    button.ariaExpanded = String(shown);
    (shown ? list.firstElementChild : button).focus();
  };
  const say = (words) => {
    said.textContent = words;
    setTimeout(() => (said.textContent = ""), 2500);
  };
  button.addEventListener("click", () => open(list.hidden));
  list.addEventListener("keydown", (event) => roving(event, list, () => open(false)));
  box.addEventListener("focusout", ({ relatedTarget }) => {
    if (!box.contains(relatedTarget)) {
      list.hidden = true;
      button.ariaExpanded = "false";
    }
  });
}
