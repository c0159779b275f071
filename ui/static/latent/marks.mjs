// Which of the points are seen, which are selected, and what their colours say.

import { download } from "../run/picture.mjs";
import { byClass, byNumber, ramp } from "./colours.mjs";
import { readColumn } from "./columns.mjs";
import { inside } from "./geometry.mjs";
import { createLegend, createSelection } from "./panels.mjs";
import { summarise, table } from "./words.mjs";

const UNITS = { kl: "nats", reconstruction: "nats" };

/** The marks of a map's points. `kept` is 0 for a hidden point, 1 for one that is seen, 2 for a selected one;
    `fence` is the polygon, in the map's coordinates, that was drawn to select. */
export class Marks {
  constructor(map, foot) {
    Object.assign(this, { map, colour: "label" });
    this.legend = createLegend(foot, (label) => this.toggle(label));
    this.selection = createSelection(map.root, () => this.select([]), () => this.take());
    this.forget();
  }

  /** For another run. */
  forget() {
    Object.assign(this, { hidden: new Set(), selected: [], kept: new Uint8Array(), fence: null, extra: null });
  }

  /** A cloud has come; what was selected stays where its points are those of the cloud before. */
  takeIn({ count, head }, same) {
    this.kept = new Uint8Array(count);
    if (!same) this.select([]);
    if (this.extra?.values.length !== count) this.extra = null;
    const known = this.extra ? [...head.measures, "extra"] : head.measures;
    if (!known.includes(this.colour)) [this.colour] = known;
  }

  write() {
    this.colourise();
    this.sieve();
  }

  toggle(label) {
    if (!this.hidden.delete(label)) this.hidden.add(label);
    this.write();
    this.map.redraw();
  }

  sieve() {
    const { kept, hidden, selected, map: { cloud, layers } } = this;
    for (let index = 0; index < cloud.count; index += 1) kept[index] = cloud.label && hidden.has(cloud.label[index]) ? 0 : 1;
    for (const index of selected) if (kept[index]) kept[index] = 2;
    layers.fill("kept", kept);
  }

  colourise() {
    const { colour, hidden, map: { cloud, colours, theme, layers } } = this;
    if (!colours) return; // which are known when the map is dressed
    const values = colour === "label" ? null : colour === "extra" ? this.extra.values : cloud.measure(colour);
    const scale = ramp(colour, theme, colours);
    layers.fill("colour", values ? byNumber(values, scale) : byClass(cloud.label, cloud.count, theme, colours.ink));
    if (values) this.legend.numbers(values, UNITS[colour] ?? "", scale);
    else this.legend.classes(cloud.head.classes, cloud.head.counts, hidden, theme);
  }

  paint(colour) {
    this.colour = colour;
    this.colourise();
    this.map.redraw();
  }

  /** Colours by a column of a file. */
  async colourBy(file) {
    const { map } = this;
    try {
      this.extra = await readColumn(file, map.cloud.count);
      map.note("");
      this.paint("extra");
      map.bar.write(map.cloud.head);
    } catch (error) {
      map.note(error.message);
    }
  }

  /** Selects what lies inside a polygon of the map, of what is not hidden. */
  enclose(polygon) {
    const { cloud } = this.map;
    const found = [];
    for (let index = 0; index < cloud.count; index += 1) if (this.kept[index] && inside(cloud.point(index), polygon)) found.push(index);
    this.select(found);
  }

  select(indices) {
    const { map } = this;
    this.selected = indices;
    map.root.dataset.selected = indices.length;
    if (!indices.length) this.fence = null;
    if (map.cloud) this.sieve();
    this.selection.draw(indices.length ? { indices, words: summarise(map.cloud, indices, map.names) } : null, map);
    map.redraw();
  }

  take() {
    const { cloud, names } = this.map;
    download(`${cloud.head.name}-selection.csv`, new Blob([table(cloud, this.selected, names)], { type: "text/csv" }));
  }
}
