// What pointer and keyboard do on the map.

const PAUSE = 4; // ms between two codes that are decoded under a pointer
const CLICK = 4; // pixels within which a press is a click
const KEYS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

const spot = (event, surface) => {
  const box = surface.getBoundingClientRect();
  return [event.clientX - box.left, event.clientY - box.top];
};

const box = ([x0, y0], [x1, y1]) => [[x0, y0], [x1, y0], [x1, y1], [x0, y1]];

// A press that moves pans, or draws the lasso or the box; one that does not holds the point.
function presses(surface, map) {
  let from = null;
  let last = null;
  let moved = false;
  let seen = 0;
  surface.addEventListener("pointerdown", (event) => {
    if (!map.cloud || event.button) return;
    [from, last, moved] = [spot(event, surface), spot(event, surface), false];
    surface.setPointerCapture(event.pointerId);
    map.marks.fence = map.mode === "point" ? map.marks.fence : [map.view.value(from)];
  });
  // Raw updates come at once, moves only with the next frame; a mouse may send a thousand a second.
  surface.addEventListener("onpointerrawupdate" in surface ? "pointerrawupdate" : "pointermove", (event) => {
    if (!map.cloud || from || map.point.pinned || map.mode !== "point" || event.timeStamp - seen < PAUSE) return;
    seen = event.timeStamp;
    map.point.put(map.view.value(spot(event, surface)), event.timeStamp);
  });
  surface.addEventListener("pointermove", (event) => {
    if (!map.cloud) return;
    const now = spot(event, surface);
    if (from && Math.hypot(now[0] - from[0], now[1] - from[1]) > CLICK) moved = true;
    if (!from) return;
    if (map.mode === "lasso") map.marks.fence.push(map.view.value(now));
    else if (map.mode === "box") map.marks.fence = box(map.view.value(from), map.view.value(now));
    else if (moved) map.view.pan(now[0] - last[0], now[1] - last[1]);
    last = now;
    map.redraw();
  });
  surface.addEventListener("pointerup", (event) => {
    if (!from) return;
    if (map.mode !== "point" && moved) map.marks.enclose(map.marks.fence);
    else if (map.mode === "point" && !moved) map.point.hold(map.view.value(spot(event, surface)));
    from = null;
  });
  surface.addEventListener("pointercancel", () => (from = null));
}

function wheel(surface, map) {
  surface.addEventListener("wheel", (event) => {
    if (!map.cloud) return;
    event.preventDefault();
    map.view.zoom(Math.exp(-event.deltaY * (event.deltaMode ? 0.05 : 0.0015)), spot(event, surface));
    map.redraw();
  }, { passive: false });
}

function keys(surface, map) {
  surface.addEventListener("keydown", (event) => {
    if (!map.cloud || event.ctrlKey || event.metaKey || event.altKey) return;
    const acts = {
      "+": () => map.view.zoom(1.25), "=": () => map.view.zoom(1.25), "-": () => map.view.zoom(0.8), 0: () => map.view.reset(),
      Enter: () => map.point.hold(map.point.place ?? map.view.centre), Escape: () => map.marks.select([]),
    };
    const way = KEYS[event.key];
    if (!way && !acts[event.key]) return;
    event.preventDefault();
    if (acts[event.key]) acts[event.key]();
    else {
      const step = event.shiftKey ? 1 : 8;
      const [x, y] = map.view.pixel(map.point.place ?? map.view.centre);
      map.point.put(map.view.value([x + step * way[0], y + step * way[1]]));
    }
    map.redraw();
  });
}

/** Lets the map be touched. */
export function listen(surface, map) {
  presses(surface, map);
  wheel(surface, map);
  keys(surface, map);
}
