// Where the map's coordinates stand on the screen: one scale for both axes, y upwards.

const CLOSEST = 400; // times the fitted scale
const FARTHEST = 0.25;

/** The window through which the map is seen; sizes in CSS pixels. */
export class View {
  constructor() {
    Object.assign(this, { width: 1, height: 1, scale: 1, centre: [0, 0], home: { scale: 1, centre: [0, 0] } });
  }

  resize(width, height) {
    const ratio = Math.min(width, height) / Math.min(this.width, this.height);
    Object.assign(this, { width, height, scale: this.scale * ratio });
    this.home.scale *= ratio;
  }

  /** Shows a box [x0, y0, x1, y1] whole, with a margin. */
  fit([x0, y0, x1, y1], margin = 28) {
    const across = Math.max(1e-9, x1 - x0);
    const along = Math.max(1e-9, y1 - y0);
    const scale = Math.min((this.width - 2 * margin) / across, (this.height - 2 * margin) / along);
    this.home = { scale, centre: [(x0 + x1) / 2, (y0 + y1) / 2] };
    this.reset();
  }

  reset() {
    Object.assign(this, { scale: this.home.scale, centre: [...this.home.centre] });
  }

  pixel([x, y]) {
    return [this.width / 2 + (x - this.centre[0]) * this.scale, this.height / 2 - (y - this.centre[1]) * this.scale];
  }

  value([px, py]) {
    return [this.centre[0] + (px - this.width / 2) / this.scale, this.centre[1] - (py - this.height / 2) / this.scale];
  }

  /** Enlarges by a factor; what is at a pixel stays there. */
  zoom(factor, pixel = [this.width / 2, this.height / 2]) {
    const fixed = this.value(pixel);
    this.scale = Math.max(FARTHEST * this.home.scale, Math.min(CLOSEST * this.home.scale, this.scale * factor));
    const moved = this.value(pixel);
    this.centre = this.centre.map((value, axis) => value + fixed[axis] - moved[axis]);
  }

  pan(dx, dy) {
    this.centre = [this.centre[0] - dx / this.scale, this.centre[1] + dy / this.scale];
  }

  /** How much closer than the whole map. */
  get closeness() {
    return this.scale / this.home.scale;
  }
}
