// "Checked against exact": two sides of an equation, worked out by different ways, and how far apart they are.

import { node, set, shape } from "../run/nodes.mjs";

const ICONS = { good: "M3 8.5L6.5 12L13 4.5", bad: "M4 4L12 12M12 4L4 12" };

/** How small a difference is: "2e−15", or 0. */
export function small(value) {
  return value === 0 ? "0" : Math.abs(value).toExponential(0).replace("e+", "e").replace("e-", "e\u2212");
}

/** A badge; `write({ one, other, within, words })` compares two numbers and says so, `words(difference)` after the verdict,
    which is `otherwise` where they differ. */
export function createBadge(parent) {
  const root = node(parent, "p", "lx-badge");
  root.setAttribute("role", "status");
  const icon = shape(shape(root, "svg", "lx-icon", { viewBox: "0 0 16 16", "aria-hidden": "true" }), "path");
  const words = node(root, "span");
  return {
    root,
    write({ one, other, within, words: said, otherwise = "Does not agree" }) {
      const difference = Math.abs(one - other);
      const good = difference <= within;
      Object.assign(root.dataset, { verdict: good ? "good" : "bad", difference });
      set(icon, { d: ICONS[good ? "good" : "bad"] });
      const text = `${good ? "Checked" : otherwise}: ${said(small(difference))}`;
      if (words.textContent !== text) words.textContent = text;
    },
  };
}
