// Whose fault the gap is: of one image the approximation and the amortisation gap, and the bounds between ELBO and ln p(x).

import { answer } from "../latent/answer.mjs";
import { node, set, shape } from "../run/nodes.mjs";
import { nats } from "../run/numbers.mjs";
import { apart, besides, drawing, logarithmic, panel, straight } from "./axes.mjs";
import { createBadge } from "./badge.mjs";
import { button } from "./controls.mjs";
import { gallery } from "./gallery.mjs";
import { standardKl, sum } from "./maths.mjs";
import { addedUp, decimals } from "./numerals.mjs";
import { drawColumns, reach } from "./parts.mjs";
import { Section, mounting, sentence } from "./section.mjs";

const HEIGHT = 320;
const LOOK = 700; // ms between two looks at a check that runs
const ALLOWED = 3; // standard errors
const NOTHING = 0.02; // nats

class Gaps extends Section {
  build() {
    const { tiles, count } = this.settings.data;
    this.image = Math.round(this.asked("image", 0, count - 1, 0));
    this.said = node(this.root, "p", "lx-said");
    this.tiles = gallery(this.root, { tiles, count: Math.min(16, count), value: this.image, change: (image) => this.open(image) });
    this.tiles.row.hidden = !tiles;
    const beside = node(this.root, "div", "lx-beside");
    this.column = drawing(beside, "The two gaps");
    this.curve = drawing(beside, "Bounds by the number of samples");
    this.badge = createBadge(this.root);
    this.note = node(this.root, "p", "lx-note");
    const row = node(this.root, "div", "lx-row");
    this.check = button(row, "Check by annealing (AIS)", () => this.anneal());
    this.told = node(this.root, "p", "lx-note");
    this.told.setAttribute("role", "status");
    this.posterior = node(row, "a", "lx-link", "Drag q over its posterior");
    this.table = node(this.root, "table", "lx-table");
    this.open(this.image);
  }

  async open(image) {
    const turn = (this.turn = (this.turn ?? 0) + 1);
    Object.assign(this, { image, facts: null });
    this.tiles.put(image);
    this.mark();
    this.root.dataset.image = "";
    this.wait("Looking for the best q of this image…");
    this.posterior.href = `/evidence?section=identity&model=run&run=${this.settings.data.run}&image=${image}`;
    this.tell({ image });
    this.redraw();
    try {
      const facts = await (await answer(`${this.settings.base}/evidence?image=${image}`, { signal: this.abort.signal })).json();
      if (turn !== this.turn) return;
      this.facts = facts;
      this.wait(null);
      this.redraw();
    } catch (error) {
      if (turn === this.turn && !this.abort.signal.aborted) this.wait(sentence(error));
    }
  }

  draw() {
    this.tiles.draw(this.root.dataset.theme);
    if (!this.facts) return;
    const { gaps, image } = this.facts;
    const [left, right] = besides(this.column);
    const words = printed(gaps);
    this.drawGaps(left, words);
    this.drawBounds(right);
    this.said.textContent = this.empty ? "No gap, for q is the prior, and so is the posterior: the decoder ignores z." : `The gap is ${words.total} nats: ${words.approximation} no factorised q can close, ${words.amortisation} the encoder left.`;
    this.report();
    Object.assign(this.root.dataset, { image, total: gaps.total, approximation: gaps.approximation, amortisation: gaps.amortisation });
  }

  // A code that costs nothing and lacks nothing is no code.
  get empty() {
    const { q, gaps } = this.facts;
    return gaps.total < NOTHING && sum(standardKl(q.mean, q.std)) < NOTHING;
  }

  drawGaps(width, words) {
    const { log_evidence: evidence, best_elbo: best, elbo, elbo_error: error } = this.facts.gaps;
    const below = reach(evidence - elbo);
    this.column.clear(width, HEIGHT, "ln p(x), the ELBO, and the gaps between them");
    drawColumns(this.column.svg, {
      width, height: HEIGHT, below, above: 0.12 * below, line: { value: evidence },
      columns: [{
        top: elbo, error,
        parts: [{ low: null, high: elbo, className: "lx-bar" }, { low: elbo, high: best, className: "lx-soft" }, { low: best, high: evidence, className: "lx-hollow" }],
        labels: [
          { at: evidence, name: "ln p(x), estimated", words: words.evidence }, { at: (best + evidence) / 2, name: "approximation gap: the family's", words: words.approximation, className: "lx-quiet" },
          { at: (best + elbo) / 2, name: "amortisation gap: the encoder's", words: words.amortisation, className: "lx-quiet" }, { at: elbo, name: "ELBO", words: words.elbo },
        ],
      }],
    });
  }

  drawBounds(width) {
    const { iwae: { counts, values, noise }, gaps } = this.facts;
    const [low, high] = [Math.min(...values), gaps.log_evidence];
    const room = 0.12 * Math.max(0.2, high - low);
    this.curve.clear(width, HEIGHT, "The importance-weighted bound by the number of samples");
    const box = { left: 56, top: 22, width: width - 66, height: HEIGHT - 74 };
    const x = logarithmic([1, counts.at(-1)], [box.left, box.left + box.width]);
    const y = straight([low - room, high + room], [box.top + box.height, box.top]);
    const plot = panel(this.curve.svg, box, x, y);
    plot.across({ name: "nats" });
    plot.along({ name: "samples K", words: String });
    const known = this.settings.ask ? 1 : counts.length; // asked first, the reader says where it goes
    const places = counts.slice(0, known);
    plot.band(places.map((count, index) => [count, values[index] - 2 * noise[index], values[index] + 2 * noise[index]]), "");
    plot.line(places.map((count, index) => [count, values[index]]), "");
    plot.circle(places.at(-1), values[known - 1], 3.5, "lx-bar");
    plot.line([[1, high], [counts.at(-1), high]], "lx-dotted");
    plot.line([[1, gaps.best_elbo], [counts.at(-1), gaps.best_elbo]], "lx-dashed lx-faint");
    const names = [[y(high), "ln p(x)", ""], [y(gaps.best_elbo), "ELBO(q*)", "lx-quiet"]];
    apart(names.map(([at]) => at - 10), 18).forEach((at, index) => {
      const element = shape(plot.group, "text", `lx-label ${names[index][2]}`, { x: box.left + 6, y: at, dy: "0.35em" });
      element.textContent = names[index][1];
    });
    plot.text(counts.at(-1), y.domain[0], "line: bound from K samples", "lx-quiet lx-end", [0, -12]);
  }

  report() {
    const { gaps, samples, iwae: { values, noise } } = this.facts;
    // What is more than the errors allow: codes of their own give the bounds, and others the gaps.
    const beyond = (excess, ...errors) => Math.max(0, excess - ALLOWED * Math.hypot(...errors));
    const falls = values.slice(1).map((value, index) => beyond(values[index] - value, noise[index], noise[index + 1]));
    const same = beyond(Math.abs(values[0] - gaps.elbo), noise[0], gaps.elbo_error);
    const above = [...values, gaps.best_elbo].map((value, index) => beyond(value - gaps.log_evidence, gaps.log_evidence_error, noise[index] ?? gaps.best_elbo_error));
    this.badge.write({
      one: Math.max(same, ...falls, ...above), other: 0, within: 0,
      words: (difference) => (difference === "0" ? "other codes give the same ELBO, no bound falls as K grows or lies above ln p(x), within three standard errors." : `the ELBO, or the order of the bounds, is out by ${difference} nats.`),
    });
    this.note.textContent = `ln p(x) ± ${nats(gaps.log_evidence_error)} from ${samples.toLocaleString("en-US")} codes each of q and q*, errs low; amortisation gap ± ${nats(gaps.amortisation_error)}; band: two standard errors.`;
  }

  async anneal() {
    const url = `${this.settings.base}/evidence/annealing`;
    this.check.disabled = true;
    try {
      for (let asked = "start=1"; ; ) {
        const news = await (await answer(`${url}?${asked}`, { method: "POST", signal: this.abort.signal })).json();
        asked = `step=${news.step}`; // a run that trains goes on, the check stays with these weights
        this.told.textContent = news.state === "ready" ? "" : `${news.message ?? "Working"}${news.share ? `, ${Math.round(100 * news.share)} %` : ""}…`;
        if (news.state === "ready") return this.compare(news);
        if (news.state === "failed") throw new Error(news.message);
        if (news.state === "absent") throw new Error("Nobody works on it any more; ask again");
        await new Promise((resolve) => setTimeout(resolve, LOOK));
      }
    } catch (error) {
      if (!this.abort.signal.aborted) this.told.textContent = sentence(error);
    } finally {
      this.check.disabled = false;
    }
  }

  // The chosen image's column stands out.
  mark() {
    for (const row of this.table.rows) [...row.cells].forEach((cell, index) => cell.classList.toggle("lx-here", index - 1 === this.image));
  }

  /** Annealing and importance sampling of the same images, side by side. */
  compare({ images, annealed, importance, temperatures, chains, difference, error }) {
    this.table.replaceChildren();
    const line = (head, cells, tag) => {
      const row = node(this.table, "tr");
      set(node(row, "th", "", head), { scope: "row" });
      for (const cell of cells) node(row, tag, "", cell);
    };
    line("test image", images.map(String), "th");
    line("annealing", annealed.map(nats), "td");
    line("sampling with q and q*", importance.map(nats), "td");
    this.told.textContent = `${chains} chains over ${temperatures} temperatures: annealing less sampling is ${nats(difference)} ± ${nats(error)} nats on average. Both err low, so the higher is the better.`;
    this.mark();
    this.table.scrollIntoView({ block: "nearest" });
    this.root.dataset.annealed = images.length;
  }
}

// The texts of the numbers, which add up as they are printed.
function printed({ log_evidence: logEvidence, elbo, total, approximation, amortisation }) {
  const digits = decimals(total);
  const [whole, bound, gap] = addedUp(digits, logEvidence, elbo, total);
  const rest = Number(logEvidence.toFixed(digits)) - Number(elbo.toFixed(digits)); // the gap as printed
  const [, first, second] = addedUp(digits, rest, approximation, amortisation);
  return { evidence: whole, elbo: bound, total: gap, approximation: first, amortisation: second };
}

export const mountGaps = mounting(Gaps);
