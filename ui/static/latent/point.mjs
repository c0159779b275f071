// The point of the map that is decoded: under the pointer, held, set by the sliders, or where an image from outside is.

const IDLE = 70; // ms without a move, after which the neighbours are looked for
const TOUCH = 8; // pixels from a point of the data that count as on it
const NEIGHBOURS = 4;

/** The point of a map: its `place` there, its code `z`; `hovered` is the example on which it stands, or −1. */
export class Point {
  constructor(map) {
    this.map = map;
    this.forget();
  }

  /** For another run. */
  forget() {
    Object.assign(this, { place: null, z: null, hovered: -1, pinned: false, guest: null });
  }

  /** The point stands at a place of the map; z follows it, within the map's plane or to the nearest code. */
  put(place, at = performance.now()) {
    const { cloud, view, baseCode } = this.map;
    if (!cloud) return;
    this.place = place;
    const [index, far] = cloud.under(place);
    this.hovered = far * view.scale <= TOUCH ? index : -1;
    this.z = cloud.linear ? cloud.lift(place, this.z ?? baseCode) : cloud.code(index);
    this.ask(at);
  }

  /** At a point of the data z is that example's own code, in all its dimensions. */
  hold(place) {
    const { cloud, view } = this.map;
    if (!cloud) return;
    const [index, far] = cloud.under(place);
    const on = far * view.scale <= TOUCH;
    this.pinned = on || !this.pinned;
    if (on) Object.assign(this, { z: cloud.code(index), place: cloud.point(index), hovered: index });
    else this.put(place);
    this.ask(performance.now());
    this.rest();
  }

  slide(dimension, value) {
    const { cloud, baseCode } = this.map;
    const z = Float32Array.from(this.z ?? baseCode);
    z[dimension] = value;
    this.go(z, cloud.linear ? cloud.place(z) : this.place);
  }

  /** An image from outside, as the encoder sees it: the map goes there. */
  welcome(guest) {
    const { cloud } = this.map;
    this.guest = guest;
    const z = Float32Array.from(guest.mean);
    this.go(z, cloud.linear ? cloud.place(z) : cloud.point(cloud.nearest(z, 1)[0]));
  }

  // To a code that need not be that of an example, to stay there.
  go(z, place) {
    Object.assign(this, { z, place, hovered: -1, pinned: true });
    this.ask(performance.now());
  }

  ask(at) {
    const { follower } = this.map;
    follower?.ask(this.z, at);
    this.moved = true;
    this.map.redraw();
    clearTimeout(this.resting);
    this.resting = setTimeout(() => this.rest(), IDLE);
  }

  /** Shows the neighbours, and the way from here. */
  rest() {
    const { cloud, picture, tiles, theme } = this.map;
    if (cloud && this.z) {
      const near = cloud.nearest(this.z, NEIGHBOURS);
      const on = this.hovered >= 0;
      picture.near(near, tiles, theme);
      picture.lead(this.map.walkFrom(on ? this.hovered : near[0]), on ? "Walk from here" : "Walk from the nearest");
    }
    this.map.redraw();
  }

  destroy() {
    clearTimeout(this.resting);
  }
}
