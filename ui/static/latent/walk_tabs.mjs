// Tabs, and the panel of each: arrows go from one to the next.

import { node, set } from "../run/nodes.mjs";

const WAYS = { ArrowLeft: -1, ArrowRight: 1 };

/** The row of tabs in an element; `open(name)` is called for the one that is pressed. */
export class Tabs {
  constructor(parent, label, open) {
    this.row = set(node(parent, "div", "wk-tabs"), { role: "tablist", "aria-label": label });
    Object.assign(this, { open, all: [] });
  }

  /** A further tab; returns its panel, at the end of an element. */
  add(name, words, parent) {
    const button = Object.assign(node(this.row, "button", "wk-tab", words), { type: "button", id: `wk-tab-${name}` });
    set(button, { role: "tab", "aria-controls": `wk-panel-${name}` });
    const panel = set(node(parent, "div", "wk-panel"), { role: "tabpanel", id: `wk-panel-${name}`, "aria-labelledby": button.id });
    const place = this.all.push({ name, button, panel }) - 1;
    button.addEventListener("click", () => this.open(name));
    button.addEventListener("keydown", ({ key }) => {
      if (!WAYS[key]) return;
      const next = this.all[(place + WAYS[key] + this.all.length) % this.all.length];
      this.open(next.name);
      next.button.focus();
    });
    return panel;
  }

  /** Shows one of the panels. */
  show(chosen) {
    for (const { name, button, panel } of this.all) {
      set(button, { "aria-selected": name === chosen, tabindex: name === chosen ? 0 : -1 });
      panel.hidden = name !== chosen;
    }
  }
}
