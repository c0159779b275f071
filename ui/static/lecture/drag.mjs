// Handles in a drawing that follow the pointer.

const REACH = 24; // pixels from a handle, within which a press takes hold of it

/** Lets the handles of a drawing be dragged. `handles()` gives them as { at: [x, y], move([x, y]) } in its pixels. */
export function draggable(svg, handles) {
  let held = null;
  const spot = (event) => {
    const box = svg.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  };
  const nearest = ([x, y]) => {
    const near = handles().map((handle) => [Math.hypot(handle.at[0] - x, handle.at[1] - y), handle]).sort((one, other) => one[0] - other[0]);
    return near.length && near[0][0] <= REACH ? near[0][1] : null;
  };
  svg.addEventListener("pointerdown", (event) => {
    held = event.button ? null : nearest(spot(event));
    if (!held) return;
    svg.setPointerCapture(event.pointerId);
    event.preventDefault();
  });
  svg.addEventListener("pointermove", (event) => {
    if (held) held.move(spot(event));
    svg.style.cursor = held ? "grabbing" : nearest(spot(event)) ? "grab" : "";
  });
  for (const end of ["pointerup", "pointercancel"]) svg.addEventListener(end, () => (held = null));
  // A finger scrolls the page, except where it takes hold of a handle.
  svg.style.touchAction = "pan-y";
  svg.addEventListener("touchstart", (event) => {
    if (nearest(spot(event.touches[0]))) event.preventDefault();
  }, { passive: false });
}
