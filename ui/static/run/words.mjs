// The words around the panels: the caption, the equation in numbers, and a note when something is wrong.

import { node, shape, set } from "./nodes.mjs";
import { count, equation, nats, weight } from "./numbers.mjs";
import { COLUMN } from "./rows.mjs";

const MINUS = "\u2212";
const QUIET = { queued: "Waiting for the engine…", running: "Starting…", removed: "This run was removed." };
const NOTES = {
  failed: ["bad", "Failed", "It gave no reason."],
  crashed: ["bad", "Crashed", "Its process ended without a word."],
  stalled: ["attention", "Stalled", "No news for 30 seconds."],
  interrupted: ["attention", "Interrupted", "It goes on when the engine starts again."],
};
const ICONS = {
  bad: "M5.5 5.5L10.5 10.5M10.5 5.5L5.5 10.5",
  attention: "M8 4.2V8.8M8 11.2V11.8",
};

function quietWords({ rows, state, message }) {
  if (state === "removed") return QUIET.removed;
  if (rows.length) return "";
  return (state === "queued" && message) || (QUIET[state] ?? "");
}

/** Makes the line on top: `write` says the headline, or what the run has to say; `fit` makes it stand in its width. */
export function createCaption(root) {
  const line = node(root, "div", "er-caption");
  const fit = () => {
    line.classList.remove("er-long");
    line.classList.toggle("er-long", line.scrollWidth > line.clientWidth);
  };
  const write = (headline, view) => {
    const quiet = headline ? "" : quietWords(view);
    const words = headline || (quiet && (view.state === "removed" || !view.caption) ? quiet : view.caption);
    if (line.textContent === words) return;
    line.textContent = words;
    line.classList.toggle("er-quiet", words === quiet);
    fit();
    document.fonts.ready.then(fit); // a font that comes late has another width
  };
  return { write, fit };
}

function icon(parent) {
  const svg = shape(parent, "svg", "er-icon", { viewBox: "0 0 16 16", "aria-hidden": "true" });
  shape(svg, "circle", "", { cx: 8, cy: 8, r: 7 });
  return shape(svg, "path");
}

function noteLine(root) {
  const line = node(root, "div", "er-note-line");
  line.setAttribute("role", "status");
  const mark = icon(line);
  const word = node(line, "span", "er-word");
  const reason = node(line, "span", "er-reason");
  return ({ state, message, meta }) => {
    const [kind, name, otherwise] = NOTES[state] ?? [];
    line.dataset.kind = kind ?? "";
    set(mark, { d: ICONS[kind] ?? "" });
    word.textContent = name ?? "";
    reason.textContent = name ? message || meta?.message || otherwise : "";
  };
}

// A sign, the number after it and its name stay together when the line breaks.
function term(line, role, sign, words) {
  const part = node(line, "span", "er-part");
  node(part, "span", "er-sign", sign);
  const value = node(part, "span", `er-value er-${role}`);
  if (words) node(part, "span", `er-term er-${role}`, `(${words})`);
  return value;
}

/** The unit of the numbers, their split, and the bound that they are of. */
export const unitWords = ({ meta }) => `${meta.unit ?? "nats per image"} · ${meta.split ?? "test"} · β = 1`;

// Of a pair the numbers stand alone: the words are at the ends of the lines, the unit is in the bar.
function equationLine(root, paired) {
  const line = node(root, "div", "er-equation");
  const bound = node(line, "span", "er-part");
  node(bound, "span", "er-value er-elbo", "ELBO");
  const values = {
    elbo: node(bound, "span", "er-value er-elbo"),
    reconstruction: term(line, "reconstruction", "=", paired ? "" : "reconstruction"),
    kl: term(line, "kl", MINUS, paired ? "" : "KL"),
  };
  const unit = paired ? null : node(line, "span", "er-unit");
  return (view) => {
    const { rows, at } = view;
    line.classList.toggle("er-hidden", at === null);
    if (at === null) return;
    const texts = equation(...Object.keys(values).map((role) => rows.value(at, COLUMN[role])));
    Object.values(values).forEach((span, index) => (span.textContent = texts[index]));
    if (unit) unit.textContent = unitWords(view);
  };
}

// What the run trains, where that is not what the numbers and curves are of. Of a pair the bar says what they are of.
function boundLine(root, paired) {
  const line = node(root, "p", "er-bound");
  const end = paired ? "." : "; the curves show the ELBO at β = 1.";
  return ({ meta }) => {
    const words = meta?.bound ? `Trains ${meta.bound}${end}` : "";
    if (line.textContent !== words) line.textContent = words;
  };
}

// What sets a run of a pair apart, and what it has to say at this step.
function laneLine(root) {
  const line = node(root, "p", "er-lane-line");
  const title = node(line, "strong");
  const caption = node(line, "span", "er-lane-caption");
  return ({ meta, caption: words }) => {
    title.textContent = meta ? `${meta.lane || meta.title}. ` : "";
    if (caption.textContent !== words) caption.textContent = words;
  };
}

/** What the figure shows, in one sentence for those who cannot see it; no more of what is `asked` than they can see. */
export function describe({ caption, rows, at, asked }) {
  const told = asked ? "" : caption;
  if (at === null) return told || "A run without measurements so far";
  const value = (name) => rows.value(at, COLUMN[name]);
  const active = asked ? NaN : value("active");
  return [
    told,
    `At step ${count(rows.step(at))}: ELBO ${nats(value("elbo"))} nats,`,
    `reconstruction ${nats(value("reconstruction"))}, KL ${nats(value("kl"))}, β = ${weight(value("beta"))}`,
    Number.isFinite(active) ? `, ${active} of ${rows.dimensions} latents in use.` : ".",
  ].filter(Boolean).join(" ").replace(" ,", ",").replace(" .", ".");
}

/** Makes the lines above the panels of a run and returns the function that writes them. */
export function createWords(root, paired) {
  const lines = [noteLine(root), equationLine(root, paired), boundLine(root, paired)];
  if (paired) lines.push(laneLine(root));
  return (view) => lines.forEach((write) => write(view));
}
