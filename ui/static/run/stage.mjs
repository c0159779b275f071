// The figure alone on a page, for a beamer, a phone or a file: one bar, and keys for the one who speaks.

import { mountFigure } from "./figure.mjs";
import { node } from "./nodes.mjs";

const START = { runs: [], headline: "", dark: false, ask: false, play: false, link: "" };

/** Fills an element with the figure of `runs` ({ base } or { recording }); `headline` is said of two.
    Returns the figure. */
export function mountStage(element, options) {
  const state = { ...START, ...options, both: true };
  const stage = node(element, "main", "er-stage");
  const theme = () => (state.dark ? "dark" : "light");
  const settings = () => {
    const paired = state.both && state.runs.length > 1;
    return { runs: paired ? state.runs : state.runs.slice(0, 1), headline: paired ? state.headline : "", theme: theme(), link: state.link, play: state.play };
  };
  stage.dataset.theme = theme();
  stage.toggleAttribute("data-ask", state.ask);
  const figure = mountFigure(stage, settings());

  const show = (both) => () => {
    state.both = both;
    figure.update({ ...settings(), play: false });
  };
  const keys = {
    " ": () => figure.toggle(),
    ArrowLeft: () => figure.step(-1),
    ArrowRight: () => figure.step(1),
    1: show(false),
    2: show(true),
    b: () => stage.toggleAttribute("data-blank"),
    d: () => {
      state.dark = !state.dark;
      stage.dataset.theme = theme();
      figure.update({ theme: theme() });
    },
    v: () => {
      stage.toggleAttribute("data-ask");
      figure.draw();
    },
  };
  const press = (event) => {
    const act = keys[event.key.length > 1 ? event.key : event.key.toLowerCase()];
    const inside = event.target.closest?.("[role=menu], [role=menuitem]") || (event.key === " " && event.target.closest?.("button"));
    if (!act || inside || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    event.stopPropagation();
    act();
  };
  document.addEventListener("keydown", press, true);
  return figure;
}
