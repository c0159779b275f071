// Sliders, choices and buttons beside a view. What can be dragged in a drawing has a slider too, for the keyboard.

import { node, set } from "../run/nodes.mjs";

let made = 0;

/** A slider with its name and its value; `put(value)` moves it from outside. */
export function slider(parent, { name, low, high, step = 0.01, value, words = (number) => number.toFixed(2), input }) {
  const row = node(parent, "label", "lx-slider");
  node(row, "span", "lx-slider-name", name);
  const range = Object.assign(node(row, "input"), { type: "range", min: low, max: high, step, ariaLabel: name });
  const told = node(row, "output", "lx-value");
  const show = (number) => {
    range.value = number;
    told.textContent = words(number);
    range.ariaValueText = words(number);
  };
  range.addEventListener("input", () => {
    told.textContent = words(Number(range.value));
    range.ariaValueText = told.textContent;
    input(Number(range.value));
  });
  show(value);
  return { row, range, put: show };
}

/** A choice among a few, as a row of buttons; `put(value)` marks another one. */
export function choices(parent, { name, options, value, change }) {
  const row = set(node(parent, "div", "lx-choices"), { role: "group", "aria-label": name });
  node(row, "span", "lx-muted", name);
  const bar = node(row, "span", "lx-modes");
  const buttons = options.map(([key, words]) => {
    const button = Object.assign(node(bar, "button", "lx-mode", words), { type: "button" });
    button.addEventListener("click", () => (put(key), change(key)));
    return [key, button];
  });
  const put = (chosen) => buttons.forEach(([key, button]) => set(button, { "aria-pressed": key === chosen }));
  put(value);
  return { row, put, allow: (allowed) => buttons.forEach(([key, button]) => (button.hidden = !allowed(key))) };
}

/** A choice among many, as a list that opens. */
export function selection(parent, { name, options, value, change }) {
  const id = `lx-selection-${(made += 1)}`;
  const row = node(parent, "span", "lx-choices");
  set(node(row, "label", "lx-muted", name), { for: id });
  const list = Object.assign(node(row, "select", "lx-select"), { id });
  for (const [key, words] of options) Object.assign(node(list, "option", "", words), { value: key });
  list.value = value;
  list.addEventListener("change", () => change(list.value));
  return { row, list, put: (chosen) => (list.value = chosen) };
}

/** A button. */
export function button(parent, words, press) {
  const element = Object.assign(node(parent, "button", "lx-button", words), { type: "button" });
  element.addEventListener("click", press);
  return element;
}
