// The figure as a file: what stands on the screen, as one SVG; a PNG is that SVG, drawn.

const SVG = "http://www.w3.org/2000/svg";
const INLINED = [
  "display", "fill", "fill-opacity", "font-family", "font-size", "font-variant-numeric", "font-weight", "opacity", "paint-order", "stroke",
  "stroke-dasharray", "stroke-linecap", "stroke-linejoin", "stroke-opacity", "stroke-width", "text-anchor", "white-space",
];

function make(tag, attributes) {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  return element;
}

const at = (rect, origin) => ({ x: rect.left - origin.left, y: rect.top - origin.top, width: rect.width, height: rect.height });

// A copy of a drawing that needs no stylesheet.
function plain(drawing, origin) {
  const copy = drawing.cloneNode(true);
  const copies = [copy, ...copy.querySelectorAll("*")];
  [drawing, ...drawing.querySelectorAll("*")].forEach((original, index) => {
    const style = getComputedStyle(original);
    for (const name of INLINED) copies[index].style.setProperty(name, style.getPropertyValue(name));
    copies[index].removeAttribute("class");
  });
  copy.removeAttribute("tabindex");
  const box = at(drawing.getBoundingClientRect(), origin);
  for (const [name, value] of Object.entries(box)) copy.setAttribute(name, value);
  copy.style.overflow = "visible";
  return copy;
}

function image(canvas, origin) {
  const { imageRendering } = getComputedStyle(canvas);
  const place = { ...at(canvas.getBoundingClientRect(), origin), preserveAspectRatio: "none", href: canvas.toDataURL() };
  return make("image", { ...place, style: `image-rendering: ${imageRendering}` });
}

// The words of a text, by the line they stand on: [words, rectangle].
function lines(text) {
  const range = document.createRange();
  const found = [];
  for (const { index, 0: word } of text.data.matchAll(/\S+\s*/g)) {
    range.setStart(text, index);
    range.setEnd(text, index + word.length);
    const rect = range.getBoundingClientRect();
    const last = found.at(-1);
    if (last && Math.abs(last[1].top - rect.top) < 2) last[0] += word;
    else found.push([word, rect]);
  }
  return found.filter(([, { width }]) => width > 0);
}

function words(text, origin) {
  const { color, fontFamily, fontSize, fontWeight } = getComputedStyle(text.parentElement);
  const style = `font-variant-numeric: tabular-nums; white-space: pre`;
  return lines(text).map(([line, rect]) => {
    const { x, y, height } = at(rect, origin);
    const place = { x, y: y + height / 2, dy: "0.35em", fill: color, style };
    const element = make("text", { ...place, "font-family": fontFamily, "font-size": fontSize, "font-weight": fontWeight });
    element.textContent = line.trimEnd();
    return element;
  });
}

const unseen = (element) => element.matches(".er-transport") || getComputedStyle(element).visibility === "hidden" || !element.getClientRects().length;

function* parts(node, origin) {
  if (node.nodeType === Node.TEXT_NODE) return yield* words(node, origin);
  if (node.nodeType !== Node.ELEMENT_NODE || unseen(node)) return;
  if (node.localName === "svg") return yield plain(node, origin);
  if (node.localName === "canvas") return yield image(node, origin);
  for (const child of node.childNodes) yield* parts(child, origin);
}

// The faces of the page's fonts as data, for a drawing that is painted as an image may load nothing.
async function faces() {
  const rules = [...document.styleSheets].flatMap((sheet) => {
    const base = sheet.href ?? document.baseURI;
    return [...sheet.cssRules].filter((rule) => rule instanceof CSSFontFaceRule).map((rule) => [rule, base]);
  });
  const wanted = rules.filter(([rule]) => /Inter|Source Serif/.test(rule.style.fontFamily));
  const texts = await Promise.all(wanted.map(async ([rule, base]) => {
    const [, url] = rule.cssText.match(/url\("?([^")]+)"?\)/) ?? [];
    const blob = await (await fetch(new URL(url, base))).blob();
    const data = await new Promise((resolve) => {
      const reader = new FileReader();
      reader.onload = () => resolve(reader.result);
      reader.readAsDataURL(blob);
    });
    return rule.cssText.replace(/url\([^)]+\)/, `url(${data})`);
  }));
  return texts.join("\n");
}

function drawing(root, style = "") {
  const margin = 16;
  const box = root.getBoundingClientRect();
  const bottom = root.querySelector(".er-transport").getBoundingClientRect().top;
  const [width, height] = [box.width + 2 * margin, bottom - box.top + 2 * margin];
  const sheet = make("svg", { xmlns: SVG, width, height, viewBox: `${-margin} ${-margin} ${width} ${height}` });
  const page = getComputedStyle(root).getPropertyValue("--er-page");
  if (style) sheet.append(Object.assign(make("style", {}), { textContent: style }));
  sheet.append(make("rect", { x: -margin, y: -margin, width, height, fill: page }));
  sheet.append(...parts(root, box));
  return { text: new XMLSerializer().serializeToString(sheet), width, height };
}

/** The figure as the text of an SVG; fonts are named, not embedded. */
export async function svg(root) {
  return drawing(root).text;
}

/** The figure as a PNG, `scale` pixels for each of the page's. */
export async function png(root, scale) {
  const { text, width, height } = drawing(root, await faces());
  const picture = new Image();
  picture.src = `data:image/svg+xml;charset=utf-8,${encodeURIComponent(text)}`;
  await picture.decode();
  const canvas = Object.assign(document.createElement("canvas"), { width: scale * width, height: scale * height });
  canvas.getContext("2d").drawImage(picture, 0, 0, canvas.width, canvas.height);
  return new Promise((resolve) => canvas.toBlob(resolve, "image/png"));
}

/** Hands a file to the reader. */
export function download(name, blob) {
  const link = Object.assign(document.createElement("a"), { href: URL.createObjectURL(blob), download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}
