// What the run figure uses of D3. VENDORED.md has the command that bundles it into d3.mjs.
export { scaleLinear } from "d3-scale";
export { area, line } from "d3-shape";
export { bisectCenter, extent, max, median, min } from "d3-array";
