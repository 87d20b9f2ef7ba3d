"use strict";
// Tooltips only: the page is complete without this script.
const tip = document.getElementById("tip");

function show(text, x, y) {
  tip.textContent = text;
  tip.hidden = false;
  const box = tip.getBoundingClientRect();
  const left = Math.min(Math.max(x + 14, 6), innerWidth - box.width - 6);
  const above = y + 18 + box.height > innerHeight;
  tip.style.transform = `translate(${left}px, ${above ? y - box.height - 12 : y + 18}px)`;
}

function tidy(value) {
  return String(Number(value.toPrecision(4))).replace("-", "−");
}

document.addEventListener("pointerover", (event) => {
  const marked = event.target.closest("[data-tip]");
  if (marked) show(marked.dataset.tip, event.clientX, event.clientY);
});
document.addEventListener("pointerout", (event) => {
  if (event.target.closest("[data-tip]")) tip.hidden = true;
});
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape") tip.hidden = true;
});

// Curves: read the values of all lines at the pointer back from the drawing.
function points(path) {
  return Array.from(path.getAttribute("d").matchAll(/[ML]([\d.-]+) ([\d.-]+)/g), (m) => [+m[1], +m[2]]);
}

for (const svg of document.querySelectorAll("svg[data-scale]")) {
  const [left, right, x0, x1, bottom, top, y0, y1] = svg.dataset.scale.split(" ").map(Number);
  const [xName, yName] = svg.dataset.axes.split("|");
  const valueX = (px) => x0 + ((px - left) / (right - left)) * (x1 - x0);
  const valueY = (py) => y0 + ((py - bottom) / (top - bottom)) * (y1 - y0);
  const paths = [...svg.querySelectorAll("path[data-name]:not(.reference)")];
  if (!paths.length) continue;
  let curves = null;
  const cursor = document.createElementNS("http://www.w3.org/2000/svg", "line");
  cursor.setAttribute("class", "cursor");
  svg.addEventListener("pointermove", (event) => {
    if (event.target.closest("[data-tip]")) return;
    curves ??= paths.map((path) => ({ name: path.dataset.name, dots: path.matches(".dots"), at: points(path) }));
    const here = new DOMPoint(event.clientX, event.clientY).matrixTransform(svg.getScreenCTM().inverse());
    let best = null;
    const distance = ([x, y], dots) => (dots ? Math.hypot(x - here.x, y - here.y) : Math.abs(x - here.x));
    for (const curve of curves)
      for (const point of curve.at)
        if (!best || distance(point, curve.dots) < best.away) best = { point, away: distance(point, curve.dots), dots: curve.dots };
    if (!best || best.away > (best.dots ? 12 : 40)) { leave(); return; }
    const lines = [`${xName}: ${tidy(valueX(best.point[0]))}`];
    if (best.dots) lines.push(`${yName}: ${tidy(valueY(best.point[1]))}`);
    else
      for (const curve of curves) {
        const near = curve.at.reduce((a, b) => (Math.abs(b[0] - best.point[0]) < Math.abs(a[0] - best.point[0]) ? b : a));
        if (Math.abs(near[0] - best.point[0]) < 6) lines.push(`${curve.name}: ${tidy(valueY(near[1]))}`);
      }
    for (const [name, value] of [["x1", best.point[0]], ["x2", best.point[0]], ["y1", top], ["y2", bottom]]) cursor.setAttribute(name, value);
    svg.append(cursor);
    show(lines.join("\n"), event.clientX, event.clientY);
  });
  const leave = () => { cursor.remove(); tip.hidden = true; };
  svg.addEventListener("pointerleave", leave);
}

// Bases: position, patch and attribution, by pointer or arrow keys.
for (const view of document.querySelectorAll(".bases")) {
  let current = null;
  const select = (base, x, y) => {
    current?.classList.remove("here");
    current = base;
    if (!base) { tip.hidden = true; return; }
    base.classList.add("here");
    const patch = base.parentElement;
    const position = Number(patch.dataset.start) + [...patch.children].indexOf(base);
    const lines = [`position ${position}: ${base.textContent}`];
    if (patch.dataset.patch) lines.push(`patch ${patch.dataset.patch}, ${patch.dataset.size} ${patch.dataset.size === "1" ? "base" : "bases"}`);
    const height = Number(base.style.getPropertyValue("--h") || 0) * (base.matches(".n") ? -1 : 1);
    if (base.matches(".x")) lines.push("attribution undefined");
    else if (!view.matches(".flat")) lines.push(`attribution ${tidy(Number((height * view.dataset.max).toPrecision(3)))}`);
    show(lines.join("\n"), x, y);
  };
  view.addEventListener("pointermove", (event) => {
    const base = event.target.closest("i");
    if (base) select(base, event.clientX, event.clientY);
  });
  view.addEventListener("pointerleave", () => select(null));
  view.addEventListener("blur", () => select(null));
  view.addEventListener("keydown", (event) => {
    const turn = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (!turn) return;
    event.preventDefault();
    const all = [...view.querySelectorAll("i")];
    const index = current ? all.indexOf(current) + turn : 0;
    const base = all[Math.min(Math.max(index, 0), all.length - 1)];
    base.scrollIntoView({ block: "nearest" });
    const box = base.getBoundingClientRect();
    select(base, box.left, box.bottom);
  });
}
