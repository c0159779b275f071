// The mathematics that the views of the equations share; as in vae_core, in nats. Matrices are arrays of rows.

export const LOG_2PI = Math.log(2 * Math.PI);

export const sum = (values) => values.reduce((total, value) => total + value, 0);
export const mean = (values) => sum(values) / values.length;
export const dot = (a, b) => a.reduce((total, value, index) => total + value * b[index], 0);
export const apply = (matrix, vector) => matrix.map((row) => dot(row, vector));
export const transpose = (matrix) => matrix[0].map((_, column) => matrix.map((row) => row[column]));
export const multiply = (a, b) => {
  const columns = transpose(b);
  return a.map((row) => columns.map((column) => dot(row, column)));
};
export const identity = (size) => Array.from({ length: size }, (_, row) => Array.from({ length: size }, (_, column) => Number(row === column)));
export const diagonal = (matrix) => matrix.map((row, index) => row[index]);
export const scaled = (matrix, factor) => matrix.map((row) => row.map((value) => factor * value));
export const added = (a, b) => a.map((row, index) => row.map((value, column) => value + b[index][column]));

/** The lower triangle L with L Lᵀ = matrix, for a positive definite matrix. */
export function cholesky(matrix) {
  const lower = matrix.map((row) => row.map(() => 0));
  for (let i = 0; i < matrix.length; i += 1) {
    for (let j = 0; j <= i; j += 1) {
      const rest = matrix[i][j] - dot(lower[i].slice(0, j), lower[j].slice(0, j));
      lower[i][j] = i === j ? Math.sqrt(rest) : rest / lower[j][j];
    }
  }
  return lower;
}

/** ln det of a positive definite matrix. */
export const logDet = (matrix) => 2 * sum(diagonal(cholesky(matrix)).map(Math.log));

/** The inverse of a matrix, by elimination with the largest pivot. */
export function inverse(matrix) {
  const size = matrix.length;
  const rows = matrix.map((row, index) => [...row, ...identity(size)[index]]);
  for (let column = 0; column < size; column += 1) {
    const pivot = rows.slice(column).reduce((best, row, index) => (Math.abs(row[column]) > Math.abs(rows[best][column]) ? index + column : best), column);
    [rows[column], rows[pivot]] = [rows[pivot], rows[column]];
    rows[column] = rows[column].map((value) => value / rows[column][column]);
    for (let row = 0; row < size; row += 1) {
      if (row !== column) rows[row] = rows[row].map((value, index) => value - rows[row][column] * rows[column][index]);
    }
  }
  return rows.map((row) => row.slice(size));
}

/** ln Σ exp of some numbers. */
export function logSumExp(values) {
  let top = -Infinity;
  for (const value of values) if (value > top) top = value;
  if (!Number.isFinite(top)) return top;
  let total = 0;
  for (const value of values) total += Math.exp(value - top);
  return top + Math.log(total);
}

/** ln N(z; mean, std²), summed over the dimensions. */
export function logNormal(z, means, stds) {
  return sum(z.map((value, index) => -0.5 * (((value - means[index]) / stds[index]) ** 2 + LOG_2PI) - Math.log(stds[index])));
}

/** KL(N(mean, std²)‖N(0, 1)) of each dimension. */
export const standardKl = (means, stds) => means.map((m, index) => 0.5 * (m * m + stds[index] ** 2 - 1) - Math.log(stds[index]));

/** Places and weights with E f(ε) = Σ w f for ε ~ N(0, 1), to the last digits for a smooth f: the trapezoid rule. */
export function trapezoid(step = 0.1, reach = 8.5) {
  const count = Math.ceil(reach / step);
  return Array.from({ length: 2 * count + 1 }, (_, index) => {
    const e = (index - count) * step;
    return [e, step * Math.exp(-0.5 * (e * e + LOG_2PI))];
  });
}

/** Quantiles of numbers that are sorted. */
export function quantile(sorted, share) {
  const place = share * (sorted.length - 1);
  const below = Math.floor(place);
  return sorted[below] + (place - below) * (sorted[Math.min(sorted.length - 1, below + 1)] - sorted[below]);
}
