// The three canvases of the map, one over the other: the decoder's own picture, the points, and what lies over them.

import { node } from "../run/nodes.mjs";
import { decodeManifold, drawManifold } from "./manifold.mjs";
import { drawOver } from "./overlay.mjs";
import { createScatter } from "./scatter.mjs";

const TURN = 300; // ms in which points move to their places at another step
const DOTS = { least: 2.5, most: 7, of: 420 }; // pixels across: fewer points are larger
const SHARPEST = 2; // pixels of a canvas for one of the page

/** The canvases inside an element; `ratio` is 0 until they have a size. */
export class Layers {
  constructor(parent) {
    [this.back, this.points, this.over] = ["lc-back", "lc-points", "lc-over"].map((name) => node(parent, "canvas", name));
    this.scatter = createScatter(this.points);
    Object.assign(this, { ratio: 0, stamp: "", backdrop: false, manifold: null });
  }

  resize(width, height) {
    this.ratio = Math.min(SHARPEST, devicePixelRatio);
    this.stamp = "";
    for (const canvas of [this.back, this.points, this.over]) Object.assign(canvas, { width: width * this.ratio, height: height * this.ratio });
  }

  /** Gives the points their places, their colours, or whether they are kept. */
  fill(name, values) {
    this.scatter.fill(name, values);
    this.stamp = "";
  }

  /** Moves the points to their places at another step, so that the eye can follow them. */
  async travel(from, to, draw) {
    if (matchMedia("(prefers-reduced-motion: reduce)").matches) return;
    const begun = performance.now();
    const between = new Float32Array(to.length);
    for (let share = 0; share < 1;) {
      share = Math.min(1, (performance.now() - begun) / TURN);
      for (let index = 0; index < to.length; index += 1) between[index] = from[index] + share * (to[index] - from[index]);
      this.fill("place", between);
      draw();
      await new Promise(requestAnimationFrame);
    }
  }

  /** Lays the decoder's own picture of the map under the points, or takes it away. */
  async lay(map, wanted = this.backdrop) {
    const { cloud, decoder, baseCode, shape, theme } = map;
    Object.assign(this, { backdrop: wanted, manifold: null });
    map.redraw();
    if (!wanted || !decoder || !cloud.linear) return;
    const still = () => this.backdrop && map.cloud === cloud;
    const made = await decodeManifold(cloud, baseCode, decoder, shape, theme, still);
    if (still()) this.manifold = made;
    map.redraw();
  }

  draw(map) {
    const { view, cloud, shape } = map;
    drawManifold(this.back.getContext("2d"), this.manifold, view, shape, this.ratio);
    const pictures = drawOver(this.over.getContext("2d"), map, this.ratio);
    const size = Math.max(DOTS.least, Math.min(DOTS.most, DOTS.of / Math.sqrt(cloud.count))) * Math.min(2, view.closeness ** 0.3);
    const stamp = [view.scale, ...view.centre, this.ratio, size].join();
    this.points.style.visibility = pictures ? "hidden" : "";
    if (stamp !== this.stamp) this.scatter.draw(view, size, this.ratio); // not when only the pointer has moved
    this.stamp = stamp;
  }
}
