// One dimension at a time: around the code of an image, each dimension of z alone from −3 to 3, sorted by its KL.

import { node } from "../run/nodes.mjs";
import { tick } from "../run/numbers.mjs";
import { decodeAll } from "./decoder.mjs";
import { nats, signedTwo } from "./words.mjs";
import { traverse } from "./walk_maths.mjs";
import { Row } from "./walk_tiles.mjs";

export const VALUES = Array.from({ length: 9 }, (_, step) => -3 + 0.75 * step);

export class DimensionsView {
  constructor(parent, walk) {
    Object.assign(this, { walk, rows: [], asked: 0 });
    this.root = node(parent, "div", "wk-dimensions");
    this.said = node(this.root, "p", "lc-words");
    this.head = node(this.root, "div", "wk-dimension wk-values");
    this.list = node(this.root, "div", "wk-list");
    this.fold = node(this.root, "details", "lc-fold");
    this.summary = node(this.fold, "summary", "");
    this.rest = node(this.fold, "div", "wk-list");
    this.fold.addEventListener("toggle", () => this.fold.open && this.measure());
  }

  open() {
    const { head } = this.walk.cloud;
    const dead = head.order.filter((dimension) => !head.active[dimension]);
    this.said.textContent = this.walk.decoder ? "" : "This model came without a decoder, so there are no pictures of its dimensions.";
    this.head.replaceChildren();
    for (const words of ["", "here", ...VALUES.map(tick)]) node(this.head, "span", "", words);
    this.list.replaceChildren();
    this.rest.replaceChildren();
    this.rows = head.order.map((dimension) => this.row(head.active[dimension] ? this.list : this.rest, dimension, head));
    this.fold.hidden = !dead.length || !this.walk.decoder;
    this.summary.textContent = `${dead.length} ${dead.length === 1 ? "dimension is" : "dimensions are"} not in use`;
    this.head.hidden = this.list.hidden = !this.walk.decoder;
    this.root.dataset.rows = this.list.childElementCount;
  }

  row(list, dimension, { kl }) {
    const box = node(list, "div", "wk-dimension");
    box.dataset.dimension = dimension;
    const name = node(box, "span", "wk-dimension-name");
    node(name, "strong", "", `z${dimension + 1}`);
    node(name, "span", "wk-muted", `${nats(kl[dimension])} nats`);
    const here = node(box, "span", "wk-here");
    const row = new Row(box, VALUES.length);
    row.canvases.forEach((canvas, place) => {
      canvas.setAttribute("role", "img");
      canvas.setAttribute("aria-label", `z${dimension + 1} at ${signedTwo(VALUES[place])}`);
    });
    return { dimension, row, here, folded: list === this.rest };
  }

  async measure() {
    const { walk } = this;
    const turn = (this.asked += 1);
    const wanted = () => turn === this.asked && !walk.abort.signal.aborted;
    walk.root.dataset.ready = 0;
    for (const { dimension, row, here, folded } of this.rows) {
      here.textContent = signedTwo(walk.ends.base.z[dimension]);
      if (!walk.decoder || (folded && !this.fold.open)) continue;
      const made = await decodeAll(walk.decoder, traverse(walk.ends.base.z, dimension, VALUES), wanted, (pixels, start, number) => {
        for (let place = start; place < start + number; place += 1) row.put(place, pixels, place * walk.size, walk);
      });
      if (!made) return;
    }
    walk.root.dataset.ready = 1;
  }

  redraw() {
    for (const { row } of this.rows) row.redraw(this.walk);
  }
}
