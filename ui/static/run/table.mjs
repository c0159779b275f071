// The rows of a run as comma-separated values, nats per image.

import { COLUMN } from "./rows.mjs";

const round = (value) => (Number.isFinite(value) ? String(+value.toPrecision(6)) : "nan");

/** All rows that the figure has, with the names of the card's columns. */
export function table(rows, { columns }) {
  const kl = Array.from({ length: rows.dimensions }, (_, index) => `kl_${index + 1}`);
  const lines = [["split", "step", ...columns, ...kl].join(",")];
  for (let row = 0; row < rows.length; row += 1) {
    const cells = Array.from({ length: rows.width - COLUMN.beta }, (_, index) => round(rows.value(row, COLUMN.beta + index)));
    lines.push([rows.value(row, COLUMN.split) === 1 ? "test" : "train", rows.step(row), ...cells].join(","));
  }
  return `${lines.join("\n")}\n`;
}
