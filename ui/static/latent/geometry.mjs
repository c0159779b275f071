// Plane geometry of the map.

/** Whether a point lies inside a polygon: an odd number of its edges is crossed on the way out. */
export function inside([x, y], polygon) {
  let odd = false;
  for (let index = 0, before = polygon.length - 1; index < polygon.length; before = index, index += 1) {
    const [[x0, y0], [x1, y1]] = [polygon[index], polygon[before]];
    if (y0 > y !== y1 > y && x < x0 + ((x1 - x0) * (y - y0)) / (y1 - y0)) odd = !odd;
  }
  return odd;
}

/** The half axes and the angle of the ellipse of a Gaussian with these standard deviations, projected by two rows. */
export function ellipse(components, sigma) {
  const sum = (one, other) => one.reduce((total, weight, axis) => total + weight * other[axis] * sigma[axis] ** 2, 0);
  const [a, b, c] = [sum(components[0], components[0]), sum(components[0], components[1]), sum(components[1], components[1])];
  const middle = (a + c) / 2;
  const apart = Math.hypot((a - c) / 2, b);
  return { long: Math.sqrt(middle + apart), short: Math.sqrt(Math.max(0, middle - apart)), angle: 0.5 * Math.atan2(2 * b, a - c) };
}

/** A box around points [n, 2] without the outermost of them: [x0, y0, x1, y1]. */
export function bounds(points, outside = 0.002) {
  const sides = [0, 1].map((axis) => {
    const values = Float32Array.from({ length: points.length / 2 }, (_, index) => points[2 * index + axis]).sort();
    const cut = Math.floor(outside * values.length);
    return [values[cut] ?? -1, values[values.length - 1 - cut] ?? 1];
  });
  return [sides[0][0], sides[1][0], sides[0][1], sides[1][1]];
}

/** The mean place of each class: [label, [x, y]], of those with a share of the points. */
export function centroids(points, labels, least = 0.002) {
  const sums = new Map();
  labels.forEach((label, index) => {
    if (label === 255) return;
    const sum = sums.get(label) ?? [0, 0, 0];
    sums.set(label, [sum[0] + points[2 * index], sum[1] + points[2 * index + 1], sum[2] + 1]);
  });
  return [...sums].filter(([, [, , count]]) => count >= least * labels.length).map(([label, [x, y, count]]) => [label, [x / count, y / count]]);
}

/** The value under which a standard normal falls with probability p (Acklam's rational approximation, 1e-9). */
export function quantile(p) {
  const a = [-39.69683028665376, 220.9460984245205, -275.9285104469687, 138.357751867269, -30.66479806614716, 2.506628277459239];
  const b = [-54.47609879822406, 161.5858368580409, -155.6989798598866, 66.80131188771972, -13.28068155288572];
  const c = [-0.007784894002430293, -0.3223964580411365, -2.400758277161838, -2.549732539343734, 4.374664141464968, 2.938163982698783];
  const d = [0.007784695709041462, 0.3224671290700398, 2.445134137142996, 3.754408661907416];
  const poly = (weights, x) => weights.reduce((sum, weight) => sum * x + weight, 0);
  if (p > 0.97575) return -quantile(1 - p);
  if (p >= 0.02425) {
    const r = (p - 0.5) ** 2;
    return ((p - 0.5) * poly(a, r)) / (poly(b, r) * r + 1);
  }
  const q = Math.sqrt(-2 * Math.log(p));
  return poly(c, q) / (poly(d, q) * q + 1);
}

/** Boxes [x, y, width, height] around their middles, moved from one another until none lies over another. */
export function apart(boxes, rounds = 40) {
  const moved = boxes.map((box) => [...box]);
  const part = (one, other) => {
    const over = [0, 1].map((axis) => (one[2 + axis] + other[2 + axis]) / 2 - Math.abs(one[axis] - other[axis]));
    if (Math.min(...over) <= 0) return false;
    const axis = over[0] < over[1] ? 0 : 1;
    const way = (one[axis] < other[axis] ? -1 : 1) * (over[axis] / 2 + 0.01);
    one[axis] += way;
    other[axis] -= way;
    return true;
  };
  for (let round = 0; round < rounds; round += 1) {
    const pushed = moved.map((one, index) => moved.slice(index + 1).map((other) => part(one, other)));
    if (!pushed.flat().some(Boolean)) break;
  }
  return moved;
}
