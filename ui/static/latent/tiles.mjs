// The examples' own pictures: sheets of many small tiles, loaded when one of them is first wanted, and kept.

/** Cuts tiles out of the sheets that the map's head describes. */
export class Tiles {
  constructor({ url, across, sheet, width, height, channels }, tell) {
    Object.assign(this, { url, across, sheet, width, height, channels, tell, sheets: new Map() });
  }

  /** The sheet with an example; null while it is on its way. */
  image(index) {
    const number = Math.floor(index / this.sheet);
    if (!this.sheets.has(number)) this.load(number);
    return this.sheets.get(number);
  }

  async load(number) {
    this.sheets.set(number, null);
    const image = new Image();
    image.src = this.url.replace("SHEET", number);
    try {
      await image.decode();
      this.sheets.set(number, image);
      this.tell();
    } catch {
      setTimeout(() => this.sheets.delete(number), 2000);
    }
  }

  /** Draws an example into a rectangle of a context; false while its sheet is on its way. */
  draw(context, index, [x, y, width, height], theme) {
    const image = this.image(index);
    if (!image) return false;
    const place = index % this.sheet;
    const [left, top] = [(place % this.across) * this.width, Math.floor(place / this.across) * this.height];
    context.imageSmoothingEnabled = this.height > 16;
    context.drawImage(image, left, top, this.width, this.height, x, y, width, height);
    if (this.channels === 1 && theme === "light") {
      context.globalCompositeOperation = "difference";
      context.fillStyle = "#FFFFFF";
      context.fillRect(x, y, width, height);
      context.globalCompositeOperation = "source-over";
    }
    return true;
  }

  /** Draws an example as the whole of a canvas. */
  show(canvas, index, theme) {
    Object.assign(canvas, { width: this.width, height: this.height });
    canvas.classList.toggle("lc-smooth", this.height > 16);
    return this.draw(canvas.getContext("2d"), index, [0, 0, this.width, this.height], theme);
  }
}
