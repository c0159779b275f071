// The row over the map: what is drawn, by which colour, and what a press does; and under it the steps of the run.

import { node } from "../run/nodes.mjs";
import { count } from "../run/numbers.mjs";

const COLOURS = [["label", "class"], ["kl", "KL"], ["reconstruction", "reconstruction"], ["norm", "norm of μ"], ["sigma", "σ"]];
const MODES = [["point", "Point"], ["lasso", "Lasso"], ["box", "Box"]];

function select(parent, name, onChange) {
  const box = node(parent, "label", "lc-choice");
  node(box, "span", "", name);
  const element = Object.assign(node(box, "select"), { ariaLabel: name });
  element.addEventListener("change", () => onChange(element.value));
  return (options, value) => {
    box.hidden = options.length < 2;
    element.replaceChildren(...options.map(([key, words]) => new Option(words, key)));
    element.value = value;
  };
}

function switches(parent, map) {
  const box = node(parent, "div", "lc-modes");
  box.setAttribute("role", "group");
  box.ariaLabel = "What a press does";
  const buttons = MODES.map(([mode, words]) => {
    const button = Object.assign(node(box, "button", "lc-mode", words), { type: "button" });
    button.addEventListener("click", () => {
      map.mode = mode;
      show();
    });
    return [mode, button];
  });
  const show = () => {
    map.surface?.setAttribute("data-mode", map.mode);
    for (const [mode, button] of buttons) button.ariaPressed = String(mode === map.mode);
  };
  return show;
}

function press(parent, words, act) {
  const button = Object.assign(node(parent, "button", "lc-button", words), { type: "button" });
  button.addEventListener("click", () => act(button));
  return button;
}

/** The way through the run's snapshots; returns the function that writes it. */
export function createScrubber(parent, map) {
  const box = node(parent, "label", "lc-choice lc-steps");
  node(box, "span", "", "step");
  const input = Object.assign(node(box, "input"), { type: "range", min: 0, ariaLabel: "Step of the run" });
  const words = node(box, "output");
  let steps = [];
  input.addEventListener("input", () => {
    words.textContent = count(steps[input.value]);
    map.go({ step: steps[input.value] });
  });
  return (head) => {
    steps = head.steps;
    box.hidden = steps.length < 2;
    Object.assign(input, { max: steps.length - 1, value: steps.indexOf(head.step), ariaValueText: `step ${count(head.step)}` });
    words.textContent = count(head.step);
  };
}

/** Makes the row; `write` brings it up to date with a head. */
export function createBar(root, map) {
  const bar = node(root, "div", "lc-bar");
  const method = select(bar, "map", (value) => map.go(value.startsWith("axes") ? { method: "axes", axes: value.slice(5) } : { method: value }));
  const split = select(bar, "images", (value) => map.go({ split: value }));
  const colour = select(bar, "colour", (value) => map.marks.paint(value));
  const file = node(bar, "label", "lc-button", "Colour by CSV");
  const input = Object.assign(node(file, "input", "lc-file"), { type: "file", accept: ".csv,.tsv,.txt,text/csv", ariaLabel: "A column of numbers, one for each point" });
  input.addEventListener("change", () => {
    if (input.files[0]) map.marks.colourBy(input.files[0]);
    input.value = "";
  });
  const modes = switches(bar, map);
  press(bar, "Whole map", () => {
    map.view.reset();
    map.redraw();
  });
  const decoded = press(bar, "Decoded map", (button) => {
    map.layers.lay(map, !map.layers.backdrop);
    button.ariaPressed = String(map.layers.backdrop);
  });
  return {
    write(head) {
      method(head.methods, head.method === "axes" ? `axes:${head.axes}` : head.method);
      split(head.splits.map((name) => [name, name]), head.split);
      const known = COLOURS.filter(([name]) => head.measures.includes(name));
      const { extra, colour: now } = map.marks;
      colour(extra ? [...known, ["extra", extra.name]] : known, now);
      decoded.hidden = !head.linear || !head.decoder;
      modes();
    },
  };
}
