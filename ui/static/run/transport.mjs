// The one bar under the figure: play or hold, the way through the logged steps, the step, and the menu.

import { createMenu } from "./menu.mjs";
import { node, set, shape } from "./nodes.mjs";
import { count } from "./numbers.mjs";
import { unitWords } from "./words.mjs";

const ICONS = { play: "M4.5 2.8L13 8L4.5 13.2Z", hold: "M4 3H6.7V13H4ZM9.3 3H12V13H9.3Z" };

function button(parent, onClick) {
  const element = node(parent, "button", "er-button");
  element.type = "button";
  element.addEventListener("click", onClick);
  const icon = shape(shape(element, "svg", "er-glyph", { viewBox: "0 0 16 16", "aria-hidden": "true" }), "path");
  return (playing) => {
    const name = playing ? "Hold the picture" : "Play";
    if (element.title === name) return;
    Object.assign(element, { title: name, ariaLabel: name });
    set(icon, { d: ICONS[playing ? "hold" : "play"] });
  };
}

function slider(parent, onInput) {
  const element = node(parent, "input", "er-scrubber");
  Object.assign(element, { type: "range", min: 0, step: 1, ariaLabel: "Step shown" });
  element.addEventListener("input", () => onInput(Number(element.value)));
  return (last, place, words) => {
    element.max = Math.max(0, last);
    element.value = place;
    element.style.setProperty("--er-share", last > 0 ? place / last : 1);
    element.ariaValueText = words;
  };
}

function status(parent) {
  const part = node(parent, "span", "er-progress");
  const dot = node(part, "span", "er-dot");
  const state = node(part, "span", "er-state");
  const step = node(part, "span", "er-step");
  return ({ state: word, offline, replayed }, shown, steps) => {
    dot.dataset.state = replayed ? "" : word;
    part.dataset.plain = String(!offline && !replayed);
    state.textContent = offline ? "reconnecting…" : replayed ? "replay" : word;
    step.textContent = `${count(shown)} / ${count(steps)}`;
  };
}

/** Makes the bar and returns the function that writes it. */
export function createTransport(root, figure) {
  const bar = node(root, "div", "er-transport");
  const { clock } = figure;
  const writeButton = button(bar, () => figure.toggle());
  const writeSlider = slider(bar, (place) => clock.seek(place));
  const unit = node(bar, "span", "er-unit");
  const writeStatus = status(bar);
  createMenu(bar, figure);
  return (views) => {
    const [first] = views;
    const known = views.every(({ meta }) => meta);
    bar.classList.toggle("er-hidden", !known);
    if (!known) return;
    const steps = Math.max(...views.map(({ meta }) => meta.steps));
    const told = clock.held === null ? views.map(({ step }) => step) : []; // the newest word is ahead of the newest row, or behind it
    const shown = Math.max(figure.shown, ...told);
    unit.textContent = views.length > 1 ? unitWords(first) : "";
    writeButton(clock.playing || (clock.held === null && figure.living));
    writeSlider(clock.steps.length - 1, clock.place, `step ${count(shown)} of ${count(steps)}`);
    writeStatus({ ...first, offline: views.some(({ offline }) => offline), replayed: clock.held !== null }, shown, steps);
  };
}
