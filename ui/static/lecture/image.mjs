// An image of a trained run as a model of the identity's view: its terms are estimates, from the run's own decoder.

import { answer } from "../latent/answer.mjs";
import { normal, random } from "../latent/chance.mjs";
import { loadDecoder } from "../latent/decoder.mjs";
import { nats } from "../run/numbers.mjs";
import { field } from "./contours.mjs";
import { logNormal, mean, standardKl, sum } from "./maths.mjs";

const CODES = 64; // drawn from q with the same noise wherever q is
const GRID = 41; // points a side, of a plane
const LINE = 401; // points, of a single latent
const WIDE = 5; // of the view, in standard deviations of the best q
const EDGE = 1e-7; // of a pixel's probability: float32 knows no better

/** What the choice of such a model is called. */
export const ofRun = "An image of a run";

const decoders = new Map();

// One for all images of a run's step.
function decoderOf(url, fallback) {
  if (!decoders.has(url)) decoders.set(url, loadDecoder(url, fallback));
  return decoders.get(url);
}

export class ImageModel {
  /** What the server knows of the image that the address names; `wait(words)` hears what is being done. */
  static async read(base, image, signal, wait) {
    if (!base) throw new Error("There is no run to take an image of.");
    wait("Looking for the best q of this image…");
    const url = `${base}/evidence?image=${image}`;
    const facts = await (await answer(url, { signal })).json();
    const model = new ImageModel(facts, `${base}/evidence/likelihood?image=${facts.image}&step=${facts.step}`);
    if (facts.binary && facts.decoder) model.decoder = await decoderOf(facts.decoder, `${base}/decode?step=${facts.step}`);
    wait("Drawing the posterior…");
    await model.look();
    return model;
  }

  constructor(facts, url) {
    const { latent, shown, q, best, gaps, image } = facts;
    const draw = random(5);
    Object.assign(this, { facts, url, latent, shown, encoder: q, best, start: q, image, logEvidence: gaps.log_evidence, exact: "", known: null, busy: false });
    this.noise = Array.from({ length: CODES }, () => Array.from({ length: latent }, () => normal(draw)));
    const [i, j] = shown;
    const span = (axis) => {
      const reach = Math.max(WIDE * best.std[axis], Math.abs(q.mean[axis] - best.mean[axis]) + 3 * q.std[axis]);
      return [best.mean[axis] - reach, best.mean[axis] + reach];
    };
    this.view = latent > 1 ? { x: span(i), y: span(j) } : { x: span(i) };
  }

  /** ln p(x, z) on a grid of the two shown latents, the others at the best q's mean; of a single latent along a line. */
  async look() {
    const [{ x: [x0, x1], y }, [i, j]] = [this.view, this.shown];
    if (!y) {
      const codes = Array.from({ length: LINE }, (_, index) => [x0 + (index / (LINE - 1)) * (x1 - x0)]);
      const joint = await this.joint(codes);
      this.line = codes.map(([z], index) => [z, joint[index]]);
      return;
    }
    const codes = Array.from({ length: GRID * GRID }, (_, index) => {
      const z = [...this.best.mean];
      z[i] = x0 + ((index % GRID) / (GRID - 1)) * (x1 - x0);
      z[j] = y[0] + (Math.floor(index / GRID) / (GRID - 1)) * (y[1] - y[0]);
      return z;
    });
    const joint = await this.joint(codes);
    this.field = field(Array.from({ length: GRID }, (_, row) => joint.slice(row * GRID, (row + 1) * GRID)), this.view.x, y);
  }

  /** ln p(x, z) of codes. */
  async joint(codes) {
    const [zero, ones] = [codes[0].map(() => 0), codes[0].map(() => 1)];
    return [...(await this.ask(codes))].map((value, index) => value + logNormal(codes[index], zero, ones));
  }

  /** ln p(x|z) of codes, by the server. */
  async ask(codes) {
    const body = Float32Array.from(codes.flat());
    return new Float32Array(await (await answer(this.url, { method: "POST", body })).arrayBuffer());
  }

  /** ln p(x|z) of codes, by the run's own decoder in this browser where that is possible. */
  async likelihoods(codes) {
    if (!this.decoder) return this.ask(codes);
    const pixels = await this.decoder.decode(Float32Array.from(codes.flat()), this.latent);
    const { x } = this.facts;
    return codes.map((_, code) => {
      let total = 0;
      for (let index = 0; index < x.length; index += 1) {
        const p = Math.min(1 - EDGE, Math.max(EDGE, pixels[code * x.length + index]));
        total += x[index] > 0.5 ? Math.log(p) : Math.log1p(-p);
      }
      return total;
    });
  }

  /** The terms of the bound at q, as they were last worked out; asks for those of this q, and `changed(error)` hears of them. */
  terms(means, stds, changed) {
    this.wanted = { means: [...means], stds: [...stds], changed };
    if (!this.busy) this.work();
    return this.known;
  }

  async work() {
    this.busy = true;
    while (this.wanted) {
      const { means, stds, changed } = this.wanted;
      this.wanted = null;
      const name = JSON.stringify([means, stds]);
      if (name === this.name) continue;
      try {
        const logs = Array.from(await this.likelihoods(this.noise.map((e) => e.map((value, axis) => means[axis] + stds[axis] * value))));
        const middle = mean(logs);
        const spread = Math.sqrt(sum(logs.map((value) => (value - middle) ** 2)) / (logs.length - 1));
        Object.assign(this, { name, known: { reconstruction: middle, kl: standardKl(means, stds), error: spread / Math.sqrt(logs.length) } });
        changed();
      } catch (error) {
        changed(error);
      }
    }
    this.busy = false;
  }

  note(error) {
    const { gaps, samples, shown } = this.facts;
    const plane = this.latent > 2 ? ` The plane is z${shown[0] + 1} and z${shown[1] + 1}, the two that cost most; the others of its contours stand at the best q.` : "";
    return `Estimates: ln p(x) ± ${nats(gaps.log_evidence_error)} from ${samples.toLocaleString("en-US")} codes each of q and the best q, and errs low; ELBO ± ${nats(error)} from ${CODES} codes, the same noise wherever q is.${plane}`;
  }
}
