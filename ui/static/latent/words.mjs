// Numbers and sentences of the map.

import { count, nats, weight } from "../run/numbers.mjs";

export { count, nats };

/** A coordinate: two decimals with a true minus. */
export function signedTwo(value) {
  const text = Math.abs(value) < 0.005 ? "0.00" : weight(Math.abs(value));
  return value <= -0.005 ? `\u2212${text}` : text;
}

const mean = (indices, values) => indices.reduce((sum, index) => sum + values[index], 0) / indices.length;

/** What a selection is, in one sentence. */
export function summarise(cloud, indices, names) {
  const counts = new Map();
  if (cloud.label) for (const index of indices) counts.set(cloud.label[index], (counts.get(cloud.label[index]) ?? 0) + 1);
  const classes = [...counts].sort((one, other) => other[1] - one[1]).map(([label, number]) => `${count(number)} × ${names.get(label) ?? label}`);
  const [reconstruction, kl] = [cloud.reconstruction, cloud.kl].map((values) => (values ? mean(indices, values) : NaN));
  const terms = Number.isFinite(reconstruction)
    ? ` Mean ELBO ${nats(reconstruction - kl)} = ${nats(reconstruction)} − ${nats(kl)} nats per image.` : Number.isFinite(kl) ? ` Mean KL ${nats(kl)} nats per image.` : "";
  const of = classes.length ? `: ${classes.slice(0, 6).join(", ")}` : "";
  return `${count(indices.length)} ${indices.length === 1 ? "image" : "images"} selected${of}.${terms}`;
}

/** The selection as comma-separated values: index, label, terms in nats, and the code's mean. */
export function table(cloud, indices, names) {
  const head = ["index", "label", "reconstruction", "kl", ...Array.from({ length: cloud.latent }, (_, axis) => `z${axis + 1}`)];
  const lines = indices.map((index) => {
    const label = cloud.label && cloud.label[index] !== 255 ? names.get(cloud.label[index]) ?? cloud.label[index] : "";
    const terms = [cloud.reconstruction, cloud.kl].map((values) => (values ? +values[index].toPrecision(6) : ""));
    const quoted = /[",\n]/.test(label) ? `"${String(label).replaceAll('"', '""')}"` : label;
    return [index, quoted, ...terms, ...[...cloud.code(index)].map((value) => +value.toPrecision(6))].join(",");
  });
  return `${[head.join(","), ...lines].join("\n")}\n`;
}
