// An attribute: the mean code of one class minus that of another, added to the code of an image, more or less of it.

import { node, set } from "../run/nodes.mjs";
import { decodeAll, Follower } from "./decoder.mjs";
import { show } from "./picture.mjs";
import { nats, signedTwo } from "./words.mjs";
import { attribute, norm } from "./walk_maths.mjs";
import { Row } from "./walk_tiles.mjs";

const REACH = 2; // times the vector, either way
const TILES = 9;

function select(parent, words, act) {
  const box = node(parent, "label", "lc-choice");
  node(box, "span", "", words);
  const element = Object.assign(node(box, "select", ""), { ariaLabel: words });
  element.addEventListener("change", () => act(element.value));
  return element;
}

export class AttributeView {
  constructor(parent, walk) {
    Object.assign(this, { walk, asked: 0, amount: 0 });
    this.root = node(parent, "div", "wk-attribute");
    this.said = node(this.root, "p", "lc-words");
    this.body = node(this.root, "div", "wk-path");
    const side = node(this.body, "div", "wk-side");
    this.picture = node(side, "canvas", "lc-decoded");
    set(this.picture, { role: "img", "aria-label": "The image with so much of the attribute", "data-testid": "attribute-picture" });
    const main = node(this.body, "div", "wk-main");
    const bar = node(main, "div", "lc-bar");
    this.of = select(bar, "towards", () => this.measure());
    this.minus = select(bar, "away from", () => this.measure());
    this.row = new Row(main, TILES);
    set(this.row.box, { role: "img", "aria-label": "Pictures with less and more of the attribute" });
    this.input = Object.assign(node(main, "input", "wk-slider"), { type: "range", min: -REACH, max: REACH, step: 0.02, value: 0, ariaLabel: "How much of the attribute" });
    this.input.addEventListener("input", () => this.go(Number(this.input.value)));
    this.scale = node(main, "div", "wk-scale");
    for (const words of ["−2", "−1", "0", "1", "2"]) node(this.scale, "span", "", words);
    this.words = node(main, "p", "wk-verdict");
    this.words.setAttribute("role", "status");
  }

  open() {
    const { cloud, decoder } = this.walk;
    const { head } = cloud;
    const classes = head.classes.filter(([label]) => (head.counts[label] ?? 0) > 0);
    const possible = classes.length > 1 && head.counts.length > 0;
    this.body.hidden = !possible || !decoder;
    this.said.textContent = !possible ? "These images have no classes, so there is no difference between two of them to add."
      : decoder ? "" : "This model came without a decoder, so an attribute cannot be seen.";
    this.of.replaceChildren(...classes.map(([label, name]) => new Option(name, label)));
    this.minus.replaceChildren(new Option("the mean of all", ""), ...classes.map(([label, name]) => new Option(name, label)));
    const shown = (pixels, z, spent, late, error) => this.decoded(pixels, error);
    this.follower = decoder && new Follower(decoder, cloud.latent, shown);
    this.possible = possible && Boolean(decoder);
  }

  at(amount) {
    return Array.from(this.walk.ends.base.z, (value, axis) => value + amount * this.vector[axis]);
  }

  async measure() {
    const { walk } = this;
    const turn = (this.asked += 1);
    const wanted = () => turn === this.asked && !walk.abort.signal.aborted;
    if (!this.possible) return void (walk.root.dataset.ready = 1);
    walk.root.dataset.ready = 0;
    this.vector = attribute(walk.cloud, Number(this.of.value), this.minus.value === "" ? null : Number(this.minus.value));
    this.go(this.amount);
    const codes = Array.from({ length: TILES }, (_, place) => this.at(-REACH + (2 * REACH * place) / (TILES - 1)));
    const made = await decodeAll(walk.decoder, codes, wanted, (pixels, start, number) => {
      for (let place = start; place < start + number; place += 1) this.row.put(place, pixels, place * walk.size, walk);
    });
    if (!made) return;
    await walk.reference();
    if (!wanted()) return;
    this.go(this.amount);
    walk.root.dataset.ready = 1;
  }

  go(amount) {
    const { walk } = this;
    this.amount = amount;
    this.input.ariaValueText = `${signedTwo(amount)} times the attribute`;
    const z = this.at(amount);
    walk.root.dataset.amount = amount;
    this.follower.ask(z, performance.now());
    const median = walk.usual ? `; the median image has ${nats(walk.usual.median)}` : "";
    const still = norm(this.vector) < 1e-3 ? " Both means are the same code." : "";
    this.words.textContent = `z plus ${signedTwo(amount)} times the vector has the norm ${signedTwo(norm(z))}, `
      + `and ln q(z) = ${nats(walk.density.at(z))} nats${median}.${still}`;
  }

  decoded(pixels, error) {
    const { walk } = this;
    if (error) return void (this.words.textContent = error.message);
    this.last = pixels;
    this.picture.style.aspectRatio = `${walk.shape.width} / ${walk.shape.height}`;
    show(this.picture, pixels, walk.shape, walk.theme);
    walk.root.dataset.decodes = Number(walk.root.dataset.decodes) + 1;
  }

  redraw() {
    this.row.redraw(this.walk);
    if (this.last) show(this.picture, this.last, this.walk.shape, this.walk.theme);
  }
}
