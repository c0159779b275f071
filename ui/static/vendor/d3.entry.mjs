// What the run figure uses of D3. VENDORED.md has the command that bundles it into d3.mjs.
export { area, line } from "d3-shape";
export { bisectCenter, extent, max, median, min, ticks } from "d3-array";
