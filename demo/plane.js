// Reports where a drag over the plane starts and ends, as shares of its width and height; a click is a drag that
// ends where it started. The page's library runs this once, with the component in `element`.
const CLICK = 0.01;
let start = null;

function placeOf(event) {
  const box = element.querySelector("img").getBoundingClientRect();
  const share = (position, from, length) => Math.min(1, Math.max(0, (position - from) / length));
  return [share(event.clientX, box.left, box.width), share(event.clientY, box.top, box.height)];
}

function draw(end) {
  const line = element.querySelector("line");
  const [x1, y1, x2, y2] = [...start, ...end].map((share) => `${100 * share}%`);
  Object.entries({ x1, y1, x2, y2 }).forEach(([name, value]) => line.setAttribute(name, value));
}

element.addEventListener("pointerdown", (event) => {
  element.setPointerCapture(event.pointerId);
  start = placeOf(event);
  draw(start);
});

element.addEventListener("pointermove", (event) => {
  if (start) draw(placeOf(event));
});

element.addEventListener("pointercancel", () => {
  start = null;
});

element.addEventListener("pointerup", (event) => {
  if (!start) return;
  const place = placeOf(event);
  const isClick = Math.hypot(place[0] - start[0], place[1] - start[1]) < CLICK;
  const end = isClick ? start : place;
  draw(end);
  trigger("select", { start, end });
  start = null;
});
