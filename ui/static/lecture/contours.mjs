// Contours of a density on a grid: lines that hold given shares of its mass, by marching squares.

// Which edges of a cell a line crosses, for each pattern of corners above the level; edges: 0 low, 1 right, 2 high, 3 left.
const CROSSED = [[], [[3, 0]], [[0, 1]], [[3, 1]], [[1, 2]], [[3, 2], [0, 1]], [[0, 2]], [[3, 2]], [[2, 3]], [[2, 0]], [[0, 3], [1, 2]], [[2, 1]], [[1, 3]], [[1, 0]], [[0, 3]], []];

/** A density on a grid: `values[row][column]` of f(x, y) at evenly spaced places, the largest brought to 1. */
export function sampled(f, [x0, x1], [y0, y1], count) {
  const place = (index, low, high) => low + (index / (count - 1)) * (high - low);
  const logs = Array.from({ length: count }, (_, row) => Array.from({ length: count }, (_, column) => f(place(column, x0, x1), place(row, y0, y1))));
  return field(logs, [x0, x1], [y0, y1]);
}

/** The same from logarithms that are known already, as rows of equal length. */
export function field(logs, [x0, x1], [y0, y1]) {
  const top = Math.max(...logs.map((row) => Math.max(...row)));
  return { values: logs.map((row) => row.map((value) => Math.exp(value - top))), x: [x0, x1], y: [y0, y1] };
}

/** The level above which a share of the mass lies. */
export function level({ values }, share) {
  const sorted = values.flat().sort((one, other) => other - one);
  const total = sorted.reduce((sum, value) => sum + value, 0);
  let held = 0;
  for (const value of sorted) if ((held += value) >= share * total) return value;
  return 0;
}

/** The contour at a level as an SVG path, through scales to pixels. */
export function contour({ values, x: [x0, x1], y: [y0, y1] }, at, x, y) {
  const [rows, columns] = [values.length, values[0].length];
  const spot = (column, row) => `${x(x0 + (column / (columns - 1)) * (x1 - x0)).toFixed(1)},${y(y0 + (row / (rows - 1)) * (y1 - y0)).toFixed(1)}`;
  const between = (one, other) => (at - one) / (other - one);
  const parts = [];
  for (let row = 0; row < rows - 1; row += 1) {
    for (let column = 0; column < columns - 1; column += 1) {
      const [a, b, c, d] = [values[row][column], values[row][column + 1], values[row + 1][column + 1], values[row + 1][column]];
      const pattern = (a > at) + 2 * (b > at) + 4 * (c > at) + 8 * (d > at);
      const edge = [
        () => spot(column + between(a, b), row), () => spot(column + 1, row + between(b, c)),
        () => spot(column + between(d, c), row + 1), () => spot(column, row + between(a, d)),
      ];
      for (const [from, to] of CROSSED[pattern]) parts.push(`M${edge[from]()}L${edge[to]()}`);
    }
  }
  return parts.join("");
}
