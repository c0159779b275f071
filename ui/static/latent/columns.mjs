// A column of numbers from a file of comma-separated values, one for each example, to colour by.

const MOST_BYTES = 50e6;

function cells(line) {
  return [...line.matchAll(/("(?:[^"]|"")*"|[^,;\t]*)(?:[,;\t]|$)/g)].map(([, cell]) => cell.replace(/^"|"$/g, "").replaceAll('""', '"').trim());
}

/** The last column whose every cell is a number: its name and `count` values. Throws a sentence when there is none. */
export async function readColumn(file, count) {
  if (file.size > MOST_BYTES) throw new Error(`${file.name} has more than 50 MB.`);
  const lines = (await file.text()).split(/\r?\n/).filter((line) => line.trim());
  const named = cells(lines[0] ?? "").some((cell) => cell && !Number.isFinite(Number(cell)));
  const rows = lines.slice(named ? 1 : 0).map(cells);
  if (rows.length !== count) throw new Error(`${file.name} has ${rows.length} rows; the map has ${count} points.`);
  for (let column = rows[0].length - 1; column >= 0; column -= 1) {
    const values = rows.map((row) => (row[column] ? Number(row[column]) : NaN));
    if (values.every(Number.isFinite)) return { name: named ? cells(lines[0])[column] : file.name, values: Float32Array.from(values) };
  }
  throw new Error(`${file.name} has no column of numbers alone.`);
}
