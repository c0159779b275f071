// What lies over the points: rings of the prior, names of classes, thumbnails, ellipses of q(z|x), the cross, the lasso.

import { apart, ellipse } from "./geometry.mjs";

const RINGS = [1, 2]; // standard deviations of the prior
const FEW = 220; // points in sight, from which on they are drawn as pictures
const CLOSE = 3; // times the whole map, before pictures are thought of
const THUMB = 30;
const NAME = 15; // pixels that a class's name is high
const MOST_ELLIPSES = 200;

function text(context, words, [x, y], colours, align = "center") {
  Object.assign(context, { textAlign: align, textBaseline: "middle", lineJoin: "round", lineWidth: 4, strokeStyle: colours.page, fillStyle: colours.ink });
  context.strokeText(words, x, y);
  context.fillText(words, x, y);
}

function rings(context, { cloud, view, colours }) {
  if (!cloud.linear) return;
  const middle = cloud.place(new Float32Array(cloud.latent));
  const [x, y] = view.pixel(middle);
  context.font = "12px Inter, sans-serif";
  for (const sigma of RINGS) {
    context.beginPath();
    context.arc(x, y, sigma * view.scale, 0, 2 * Math.PI);
    for (const [width, colour, dash] of [[3, colours.page, []], [1.25, colours.muted, [3, 3]]]) {
      Object.assign(context, { strokeStyle: colour, lineWidth: width });
      context.setLineDash(dash);
      context.stroke();
    }
    context.setLineDash([]);
    const top = y - sigma * view.scale;
    if (top > 8) text(context, `${sigma}σ of the prior`, [x, top], { ...colours, ink: colours.muted });
  }
}

function names(context, { classes, view, colours, marks: { hidden } }) {
  context.font = "600 15px Inter, sans-serif";
  const shown = classes.filter(([label]) => !hidden.has(label));
  const boxes = shown.map(([, name, place]) => [...view.pixel(place), context.measureText(name).width + 6, NAME]);
  apart(boxes).forEach(([x, y], index) => text(context, shown[index][1], [x, y], colours));
}

function inSight({ cloud, view, marks: { kept } }) {
  const found = [];
  for (let index = 0; index < cloud.count && found.length <= FEW; index += 1) {
    if (!kept[index]) continue;
    const [x, y] = view.pixel(cloud.point(index));
    if (x > 0 && y > 0 && x < view.width && y < view.height) found.push([index, x, y]);
  }
  return found;
}

/** Draws pictures instead of dots where few enough are in sight; whether it did. */
function thumbnails(context, state) {
  if (!state.tiles || state.view.closeness < CLOSE) return false;
  const found = inSight(state);
  if (found.length > FEW) return false;
  const height = THUMB * (state.tiles.height / state.tiles.width);
  for (const [index, x, y] of found) {
    state.tiles.draw(context, index, [x - THUMB / 2, y - height / 2, THUMB, height], state.theme);
    Object.assign(context, { strokeStyle: state.colours.rule, lineWidth: 1 });
    context.strokeRect(x - THUMB / 2, y - height / 2, THUMB, height);
  }
  return true;
}

function posterior(context, { cloud, view, colours }, index, sigmas, width) {
  const { long, short, angle } = ellipse(cloud.head.components, cloud.spread(index));
  const [x, y] = view.pixel(cloud.point(index));
  Object.assign(context, { strokeStyle: colours.ink, lineWidth: width });
  for (const sigma of sigmas) {
    context.beginPath();
    context.ellipse(x, y, sigma * long * view.scale, sigma * short * view.scale, -angle, 0, 2 * Math.PI);
    context.stroke();
  }
}

function ellipses(context, state) {
  const { cloud, view, colours, point: { hovered, guest }, marks: { selected } } = state;
  if (!cloud.linear) return;
  if (selected.length <= MOST_ELLIPSES) for (const index of selected) posterior(context, state, index, [1], 0.6);
  if (hovered >= 0) posterior(context, state, hovered, [1, 2], 1.4);
  if (!guest) return;
  const { long, short, angle } = ellipse(cloud.head.components, guest.sigma);
  const [x, y] = view.pixel(cloud.place(guest.mean));
  Object.assign(context, { strokeStyle: colours.ink, lineWidth: 2 });
  for (const sigma of RINGS) {
    context.beginPath();
    context.ellipse(x, y, sigma * long * view.scale, sigma * short * view.scale, -angle, 0, 2 * Math.PI);
    context.stroke();
  }
}

function cross(context, { point: { place, pinned }, view, colours }) {
  if (!place) return;
  const [x, y] = view.pixel(place);
  for (const [width, colour] of [[5, colours.page], [2, colours.ink]]) {
    Object.assign(context, { strokeStyle: colour, lineWidth: width });
    context.beginPath();
    context.arc(x, y, pinned ? 7 : 5, 0, 2 * Math.PI);
    for (const [dx, dy] of [[1, 0], [-1, 0], [0, 1], [0, -1]]) {
      context.moveTo(x + 8 * dx, y + 8 * dy);
      context.lineTo(x + 13 * dx, y + 13 * dy);
    }
    context.stroke();
  }
}

function fence(context, { marks: { fence: polygon }, view, colours }) {
  if (!polygon?.length) return;
  Object.assign(context, { strokeStyle: colours.ink, lineWidth: 1.5 });
  context.setLineDash([4, 3]);
  context.beginPath();
  polygon.forEach((point, index) => context[index ? "lineTo" : "moveTo"](...view.pixel(point)));
  context.closePath();
  context.stroke();
  context.setLineDash([]);
}

/** Draws everything over the points; returns whether pictures stand in for them. */
export function drawOver(context, state, ratio) {
  const { view } = state;
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.clearRect(0, 0, view.width, view.height);
  rings(context, state);
  const pictures = thumbnails(context, state);
  ellipses(context, state);
  if (!pictures) names(context, state);
  fence(context, state);
  cross(context, state);
  return pictures;
}
