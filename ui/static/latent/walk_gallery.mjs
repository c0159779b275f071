// The row on top: the ends of the walk, real images to choose them from, and images from outside.

import { node } from "../run/nodes.mjs";
import { createGuests } from "./guests.mjs";
import { show } from "./picture.mjs";
import { offer } from "./walk_tiles.mjs";

const SLOTS = [["A", "From A"], ["B", "To B"], ["base", "Base"]];

function button(parent, className, words = "") {
  return Object.assign(node(parent, "button", className, words), { type: "button" });
}

/** The row; `walk.take(slot, end)` is given what is chosen. */
export class Gallery {
  constructor(parent, walk) {
    Object.assign(this, { walk, seed: 0, offered: [], decoded: new Map() });
    this.box = node(parent, "div", "wk-choose");
    this.slots = SLOTS.map(([slot, words]) => this.slot(slot, words));
    this.tiles = node(this.box, "div", "wk-gallery");
    this.tiles.setAttribute("role", "group");
    this.tiles.ariaLabel = "Images to choose from";
    const more = button(this.box, "lc-button", "Others");
    more.ariaLabel = "Other images to choose from";
    more.addEventListener("click", () => {
      this.seed += 1;
      this.fill();
    });
    const own = node(this.box, "div", "wk-own");
    this.guests = createGuests(own, walk);
  }

  slot(slot, words) {
    const element = button(this.box, "wk-slot");
    element.dataset.slot = slot;
    node(element, "span", "wk-slot-name", words);
    const canvas = node(element, "canvas", "wk-tile");
    element.addEventListener("click", () => this.choose(slot));
    return { slot, words, element, canvas };
  }

  /** Which slot the next image goes to. */
  choose(slot) {
    this.active = slot;
    this.mark();
  }

  /** Shows the slots that a view has. */
  offerSlots(names) {
    for (const { slot, element } of this.slots) element.hidden = !names.includes(slot);
    this.choose(names[0]);
  }

  fill() {
    const { walk } = this;
    this.offered = offer(walk.cloud, this.seed);
    this.tiles.replaceChildren();
    this.buttons = this.offered.map((index) => {
      const element = button(this.tiles, "wk-pick");
      element.ariaLabel = walk.title(index);
      element.title = walk.title(index);
      element.dataset.index = index;
      element.addEventListener("click", () => this.pick(index));
      return [index, element, node(element, "canvas", "wk-tile")];
    });
    this.guests.show(walk.cloud.head.encodes);
    this.redraw();
  }

  pick(index) {
    const taken = this.active;
    if (taken !== "base") this.active = taken === "A" ? "B" : "A";
    this.walk.take(taken, this.walk.end(index));
  }

  redraw() {
    const { walk } = this;
    if (!walk.cloud) return;
    for (const [index, , canvas] of this.buttons ?? []) this.face(canvas, walk.end(index));
    for (const { slot, canvas } of this.slots) if (walk.ends[slot]) this.face(canvas, walk.ends[slot]);
    this.mark();
  }

  mark() {
    const { walk } = this;
    for (const { slot, words, element } of this.slots) {
      element.ariaPressed = String(slot === this.active);
      const end = walk.ends?.[slot];
      element.ariaLabel = end ? `${words}: ${end.index === null ? "your own image" : walk.title(end.index)}` : words;
    }
    const [taken] = this.slots.filter(({ element }) => !element.hidden).length > 1 ? [["A", "B"]] : [["base"]];
    for (const [index, element] of this.buttons ?? []) element.ariaPressed = String(taken.some((slot) => walk.ends?.[slot]?.index === index));
  }

  /** The image of an end: itself, else what the decoder makes of its code. */
  async face(canvas, end) {
    const { walk } = this;
    if (end.pixels) return show(canvas, end.pixels, walk.shape, walk.theme);
    if (walk.tiles) return walk.tiles.show(canvas, end.index, walk.theme);
    if (!walk.decoder) return canvas.replaceWith(node(canvas.parentElement, "span", "wk-number", String(end.index)));
    if (!this.decoded.has(end.index)) this.decoded.set(end.index, walk.decoder.decode(Float32Array.from(end.z), walk.cloud.latent));
    show(canvas, await this.decoded.get(end.index), walk.shape, walk.theme);
  }
}
