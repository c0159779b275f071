// The words around the figure: the caption, the equation in numbers, and a note when something is wrong.

import { node, shape, set } from "./nodes.mjs";
import { count, nats, weight } from "./numbers.mjs";
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

function quietWords({ rows, state }) {
  if (state === "removed") return QUIET.removed;
  return rows.length ? "" : QUIET[state] ?? "";
}

function captionLine(root) {
  const line = node(root, "div", "er-caption");
  return (view) => {
    const quiet = quietWords(view);
    const words = quiet && (view.state === "removed" || !view.caption) ? quiet : view.caption;
    line.classList.toggle("er-quiet", words === quiet);
    if (line.textContent !== words) line.textContent = words;
    line.classList.remove("er-long");
    line.classList.toggle("er-long", line.scrollWidth > line.clientWidth);
  };
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
  node(part, "span", `er-term er-${role}`, `(${words})`);
  return value;
}

// The state and how far the run is, at the right end of the equation's line.
function progress(line) {
  const part = node(line, "span", "er-progress");
  const dot = node(part, "span", "er-dot");
  const words = node(part, "span");
  return ({ state, step, meta, offline }) => {
    dot.dataset.state = state;
    words.textContent = offline ? "reconnecting…" : `${state}  ${count(step)} / ${count(meta.steps)}`;
  };
}

function equationLine(root) {
  const line = node(root, "div", "er-equation");
  const bound = node(line, "span", "er-part");
  node(bound, "span", "er-value er-elbo", "ELBO");
  const values = {
    elbo: node(bound, "span", "er-value er-elbo"),
    reconstruction: term(line, "reconstruction", "=", "reconstruction"),
    kl: term(line, "kl", MINUS, "KL"),
  };
  const unit = node(line, "span", "er-unit");
  const writeProgress = progress(line);
  return (view) => {
    const { rows, at, meta } = view;
    line.classList.toggle("er-hidden", at === null);
    if (at === null) return;
    writeProgress(view);
    for (const [role, span] of Object.entries(values)) span.textContent = nats(rows.value(at, COLUMN[role]));
    unit.textContent = `${meta.unit ?? "nats per image"} · ${meta.split ?? "test"} · β = 1`;
  };
}

/** What the figure shows, in one sentence for those who cannot see it. */
export function describe({ caption, rows, at }) {
  if (at === null) return caption || "A run without measurements so far";
  const value = (name) => rows.value(at, COLUMN[name]);
  const active = value("active");
  return [
    caption,
    `At step ${count(rows.step(at))}: ELBO ${nats(value("elbo"))} nats,`,
    `reconstruction ${nats(value("reconstruction"))}, KL ${nats(value("kl"))}, β = ${weight(value("beta"))}`,
    Number.isFinite(active) ? `, ${active} of ${rows.dimensions} latents in use.` : ".",
  ].filter(Boolean).join(" ").replace(" ,", ",").replace(" .", ".");
}

/** Makes the lines above the figure and returns the function that writes them. */
export function createWords(root) {
  const lines = [captionLine(root), noteLine(root), equationLine(root)];
  return (view) => lines.forEach((write) => write(view));
}
