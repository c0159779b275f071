// The few helpers that make and change nodes of the page.

const SVG = "http://www.w3.org/2000/svg";
const sheets = new Map();

/** A new HTML element at the end of its parent. */
export function node(parent, tag, className = "", text = "") {
  const element = document.createElement(tag);
  element.className = className;
  element.textContent = text;
  parent.append(element);
  return element;
}

/** A new SVG element at the end of its parent. */
export function shape(parent, tag, className = "", attributes = {}) {
  const element = document.createElementNS(SVG, tag);
  if (className) element.setAttribute("class", className);
  parent.append(element);
  return set(element, attributes);
}

/** Sets attributes. */
export function set(element, attributes) {
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  return element;
}

/** Adds a style sheet to the page, once; resolves when it is there, or has failed to come. */
export function styled(href) {
  if (!sheets.has(href)) {
    sheets.set(href, new Promise((resolve) => {
      const link = Object.assign(document.createElement("link"), { rel: "stylesheet", href });
      link.onload = link.onerror = resolve;
      document.head.append(link);
    }));
  }
  return sheets.get(href);
}

/** Places a text, its middle at the height y. */
export function write(element, x, y, text) {
  set(element, { x, y, dy: "0.35em" });
  if (element.textContent !== text) element.textContent = text;
}

/** Places the label of a line's end: beside the panel, or inside it where there is no room beside. */
export function label(element, { narrow, right, unit }, y, text) {
  element.classList.toggle("er-inside", narrow);
  write(element, narrow ? right - 6 * unit : right + 12 * unit, y, text);
}

/** Shows or hides an SVG element. */
export function show(element, visible) {
  element.style.display = visible ? "" : "none";
}

/** Keeps exactly one child per item, and lets `draw` place each. */
export function each(parent, tag, className, items, draw) {
  while (parent.childElementCount > items.length) parent.lastElementChild.remove();
  while (parent.childElementCount < items.length) shape(parent, tag, className);
  items.forEach((item, index) => draw(parent.children[index], item, index));
}
