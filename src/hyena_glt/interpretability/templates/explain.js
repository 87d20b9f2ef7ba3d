"use strict";
const byId = (id) => document.getElementById(id);
const meta = JSON.parse(byId("meta").textContent);
const rows = byId("table").textContent.split("\n").slice(0, meta.length).map((row) => row.split("\t"));
const letters = rows.map((row) => row[0]);
const patchOf = rows.map((row) => Number(row[1]));
const columns = Object.fromEntries(meta.columns.map((c, i) => [c.name, Float64Array.from(rows, (row) => Number(row[i + 2]))]));
const labels = Object.fromEntries(meta.columns.map((c) => [c.name, c.label]));
const canvas = byId("view"), overview = byId("overview"), readout = byId("readout"), tip = byId("tip");
const GUTTER = 126, RIGHT = 12, L = meta.length, LEAST = Math.min(L, 12);
const view = { from: 0, to: L };
let hovered = null, held = null, hidden = new Set();
let block = byId("block") ? Number(byId("block").value) : null;

const tidy = (value, digits = 3) => (Number.isFinite(value) ? String(Number(value.toPrecision(digits))).replace("-", "−") : "–");
const place = (base) => (meta.start + base + 1).toLocaleString("en-US");

// ---- colours: those of the page, so that one drawing serves light, dark and paper
let theme;
function readTheme() {
  const style = getComputedStyle(document.documentElement);
  const get = (name) => style.getPropertyValue(name).trim();
  theme = { series: [] };
  for (const name of ["paper", "card", "ink", "soft", "line", "grid", "up", "down", "hover", "feature", "p0", "p1", "e0", "e1", "heat", "sans", "mono"]) theme[name] = get("--" + name);
  for (let i = 0; i < 8; i++) theme.series.push(get("--s" + i));
  theme.letter = { A: get("--a"), C: get("--c"), G: get("--g"), T: get("--t"), U: get("--t") };
}
const DASHES = [[], [7, 3], [2, 3], [8, 3, 2, 3], [4, 2], [10, 3], [2, 2, 6, 2], [3, 5]];
const AMINO = { AVLIMFWC: 2, DE: 1, KRH: 0, STNQ: 6, GPY: 5 };
function colourOf(letter) {
  if (meta.alphabet.length <= 4) return theme.letter[letter] || theme.soft;
  for (const group in AMINO) if (group.includes(letter)) return theme.series[AMINO[group]];
  return theme.soft;
}

// ---- geometry
const scaleOf = (width) => (width - GUTTER - RIGHT) / (view.to - view.from);
const xOf = (base, width) => GUTTER + (base - view.from) * scaleOf(width);
const baseAt = (x, width) => Math.floor(view.from + (x - GUTTER) / scaleOf(width));
function clampView(from, size) {
  size = Math.min(Math.max(size, LEAST), L);
  view.from = Math.min(Math.max(from, 0), L - size);
  view.to = view.from + size;
}
function zoom(factor, centre) {
  const size = view.to - view.from;
  centre ??= held !== null && held >= view.from && held < view.to ? held + 0.5 : view.from + size / 2;
  const next = Math.min(Math.max(size * factor, LEAST), L);
  clampView(centre - ((centre - view.from) / size) * next, next);
  draw();
}
function move(share) {
  clampView(view.from + share * (view.to - view.from), view.to - view.from);
  draw();
}
const first = () => Math.max(0, Math.floor(view.from));
const last = () => Math.min(L, Math.ceil(view.to));

// Least, greatest and mean value of the bases under each pixel, for views of many bases.
function* pixels(values, width) {
  const scale = scaleOf(width);
  for (let x = GUTTER; x < width - RIGHT; x++) {
    const a = Math.max(0, Math.floor(view.from + (x - GUTTER) / scale));
    const b = Math.min(L, Math.max(a + 1, Math.floor(view.from + (x + 1 - GUTTER) / scale)));
    let low = Infinity, high = -Infinity, sum = 0, count = 0;
    for (let i = a; i < b; i++) { const v = values[i]; if (v < low) low = v; if (v > high) high = v; if (Number.isFinite(v)) { sum += v; count++; } }
    if (count) yield [x, low, high, sum / count];
  }
}
function rangeOf(names) {
  let low = Infinity, high = -Infinity;
  for (const name of names) for (const v of columns[name]) { if (v < low) low = v; if (v > high) high = v; }
  return high >= low ? [low, high] : [0, 1];
}

function glyph(ctx, letter, x, y, width, height) {
  ctx.save();
  ctx.font = `bold 100px ${theme.sans}`;
  ctx.textBaseline = "alphabetic";
  ctx.textAlign = "left";
  const box = ctx.measureText(letter);
  const w = box.actualBoundingBoxLeft + box.actualBoundingBoxRight, h = box.actualBoundingBoxAscent + box.actualBoundingBoxDescent;
  ctx.translate(x, y);
  ctx.scale(width / Math.max(w, 35), height / h);
  ctx.fillText(letter, box.actualBoundingBoxLeft + Math.max(0, (35 - w) / 2), -box.actualBoundingBoxDescent);
  ctx.restore();
}
function axis(ctx, track, top, low, high, width, ticks) {
  const at = (value) => top + track.height - ((value - low) / (high - low)) * track.height;
  ctx.font = `11px ${theme.sans}`;
  ctx.textAlign = "right";
  ctx.textBaseline = "middle";
  for (const value of ticks) {
    ctx.strokeStyle = theme.grid;
    ctx.lineWidth = 1;
    ctx.beginPath(); ctx.moveTo(GUTTER, Math.round(at(value)) + 0.5); ctx.lineTo(width - RIGHT, Math.round(at(value)) + 0.5); ctx.stroke();
    ctx.fillStyle = theme.soft;
    ctx.fillText(tidy(value, 2), GUTTER - 6, at(value));
  }
  return at;
}
function ticksOf(low, high) {
  const rough = (high - low) / 2, power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 2.5, 5, 10].map((s) => s * power).filter((s) => s <= rough * 1.0001).pop() || power;
  const found = [];
  for (let v = Math.ceil(low / step - 1e-6) * step; v <= high + step * 1e-6; v += step) found.push(Math.abs(v) < step / 1e6 ? 0 : v);
  return found;
}

// ---- tracks: how each kind is drawn between `top` and `top + height`
const painters = {
  ruler(ctx, track, top, width) {
    const size = view.to - view.from, rough = size / Math.max(2, (width - GUTTER) / 110);
    const power = 10 ** Math.floor(Math.log10(Math.max(rough, 1)));
    const step = Math.max(1, [1, 2, 5, 10].map((s) => s * power).find((s) => s >= rough) || power * 10);
    ctx.font = `11.5px ${theme.sans}`;
    ctx.textAlign = "center"; ctx.textBaseline = "alphabetic";
    ctx.fillStyle = theme.soft; ctx.strokeStyle = theme.line;
    for (let p = Math.ceil((meta.start + view.from + 1) / step) * step; p <= meta.start + view.to; p += step) {
      const x = xOf(p - meta.start - 0.5, width);
      ctx.beginPath(); ctx.moveTo(x, top + 16); ctx.lineTo(x, top + 22); ctx.stroke();
      const text = p.toLocaleString("en-US"), half = ctx.measureText(text).width / 2;
      ctx.fillText(text, Math.min(Math.max(x, GUTTER + half), width - RIGHT - half), top + 12);
    }
  },
  features(ctx, track, top, width) {
    ctx.textBaseline = "middle"; ctx.textAlign = "left"; ctx.font = `11px ${theme.sans}`;
    for (const f of meta.features) {
      if (f.end <= view.from || f.start >= view.to) continue;
      const a = Math.max(xOf(f.start, width), GUTTER), b = Math.max(a + 2, Math.min(xOf(f.end, width), width - RIGHT)), y = top + f.lane * 18;
      ctx.globalAlpha = 0.28; ctx.fillStyle = theme.feature; ctx.fillRect(a, y + 2, b - a, 13); ctx.globalAlpha = 1;
      ctx.strokeStyle = theme.feature; ctx.lineWidth = 1; ctx.strokeRect(a + 0.5, y + 2.5, Math.max(b - a - 1, 1), 12);
      const text = `${f.strand === "-" ? "◂ " : ""}${f.name}${f.strand === "+" ? " ▸" : ""}`;
      ctx.save(); ctx.beginPath(); ctx.rect(a + 3, y, b - a - 5, 17); ctx.clip(); ctx.fillStyle = theme.ink; if (b - a > 22) ctx.fillText(text, a + 4, y + 9); ctx.restore();
    }
  },
  letters(ctx, track, top, width) {
    const values = columns[track.columns[0]], scale = scaleOf(width);
    let [low, high] = rangeOf(track.columns); low = Math.min(low, 0); high = Math.max(high, 0);
    if (low === high) high = 1;
    const at = axis(ctx, track, top, low, high, width, ticksOf(low, high));
    if (scale < 6) {
      ctx.lineWidth = 1;
      for (const [x, a, b] of pixels(values, width)) {
        if (b > 0) { ctx.fillStyle = theme.up; ctx.fillRect(x, at(b), 1, at(0) - at(b)); }
        if (a < 0) { ctx.fillStyle = theme.down; ctx.fillRect(x, at(0), 1, at(a) - at(0)); }
      }
      return;
    }
    for (let i = first(); i < last(); i++) {
      const tall = Math.abs(at(values[i]) - at(0));
      if (!(tall > 0.4)) continue;
      ctx.fillStyle = colourOf(letters[i]);
      ctx.globalAlpha = values[i] < 0 ? 0.6 : 1;
      glyph(ctx, letters[i], xOf(i, width) + scale * 0.04, values[i] < 0 ? at(values[i]) : at(0), scale * 0.92, tall);
    }
    ctx.globalAlpha = 1;
  },
  logo(ctx, track, top, width) {
    const scale = scaleOf(width), n = track.columns.length, most = Math.log2(n);
    const info = (i) => most + track.columns.reduce((sum, c) => sum + (columns[c][i] > 0 ? columns[c][i] * Math.log2(columns[c][i]) : 0), 0);
    track.most ??= Math.min(most, Math.max(0.1, ...Array.from({ length: Math.ceil(L / 64) }, (_, k) => { let v = 0; for (let i = 64 * k; i < Math.min(L, 64 * k + 64); i++) v = Math.max(v, info(i)); return v; })));
    const at = axis(ctx, track, top, 0, track.most, width, ticksOf(0, track.most));
    if (scale < 6) {
      ctx.fillStyle = theme.up;
      for (const [x, , b] of pixels(Float64Array.from({ length: L }, (_, i) => info(i)), width)) ctx.fillRect(x, at(b), 1, at(0) - at(b));
      return;
    }
    for (let i = first(); i < last(); i++) {
      const total = Math.max(0, info(i));
      let y = at(0);
      for (const c of [...track.columns].sort((a, b) => columns[a][i] - columns[b][i])) {
        const tall = columns[c][i] * (at(0) - at(total));
        if (tall > 0.7) { ctx.fillStyle = colourOf(c.slice(-1)); glyph(ctx, c.slice(-1), xOf(i, width) + scale * 0.04, y, scale * 0.92, tall); }
        y -= tall;
      }
    }
  },
  heat(ctx, track, top, width) {
    const n = track.columns.length, cell = track.height / n, scale = scaleOf(width);
    const [low, high] = rangeOf(track.columns), most = Math.max(-low, high) || 1;
    const paint = (x, y, w, h, value) => {
      ctx.globalAlpha = Math.min(1, Math.sqrt(Math.abs(value) / most));
      ctx.fillStyle = value > 0 ? theme.up : theme.down;
      ctx.fillRect(x, y, w, h);
    };
    track.columns.forEach((name, row) => {
      const y = top + row * cell, values = columns[name];
      if (scale >= 1) for (let i = first(); i < last(); i++) paint(Math.max(GUTTER, xOf(i, width)), y, Math.min(scale, width - RIGHT - xOf(i, width)) + 0.3, cell - 1, values[i]);
      else for (const [x, a, b] of pixels(values, width)) paint(x, y, 1, cell - 1, -a > b ? a : b);
      ctx.globalAlpha = 1;
      ctx.font = `bold ${Math.min(11, cell)}px ${theme.mono}`; ctx.textAlign = "right"; ctx.textBaseline = "middle";
      ctx.fillStyle = colourOf(name.slice(-1)); ctx.fillText(name.slice(-1), GUTTER - 6, y + cell / 2);
      if (scale >= 6) for (let i = first(); i < last(); i++) if (letters[i] === name.slice(-1)) { ctx.fillStyle = theme.soft; ctx.fillRect(xOf(i + 0.5, width) - 1, y + cell / 2 - 1, 2, 2); }
    });
  },
  lines(ctx, track, top, width) {
    let [low, high] = track.range || rangeOf(track.columns);
    if (!(high > low)) { low -= 0.5; high += 0.5; }
    const at = axis(ctx, track, top, low, high, width, track.range ? [low, (low + high) / 2, high] : ticksOf(low, high));
    const shown = track.block ? track.columns.filter((c) => c === `attention_${block}`) : track.columns;
    shown.forEach((name) => {
      const number = track.columns.indexOf(name), values = columns[name], scale = scaleOf(width);
      ctx.strokeStyle = theme.series[number % 8]; ctx.lineWidth = 1.6;
      ctx.setLineDash(shown.length > 1 ? DASHES[number % 8] : []);
      ctx.beginPath();
      if (scale < 1) {
        // A pale band from the least to the greatest, and the mean as a line.
        ctx.fillStyle = ctx.strokeStyle;
        let pen = false;
        for (const [x, a, b, mean] of pixels(values, width)) {
          ctx.globalAlpha = 0.25; ctx.fillRect(x, at(b), 1, Math.max(at(a) - at(b), 0.5)); ctx.globalAlpha = 1;
          pen ? ctx.lineTo(x + 0.5, at(mean)) : ctx.moveTo(x + 0.5, at(mean)); pen = true;
        }
      } else {
        let pen = false;
        for (let i = first(); i < last(); i++) {
          if (!Number.isFinite(values[i])) { pen = false; continue; }
          const a = Math.max(GUTTER, xOf(i, width)), b = Math.min(width - RIGHT, xOf(i + 1, width)), y = at(values[i]);
          pen ? ctx.lineTo(a, y) : ctx.moveTo(a, y); ctx.lineTo(b, y); pen = true;
        }
      }
      ctx.stroke(); ctx.setLineDash([]);
    });
    if (shown.length > 1) {
      ctx.font = `11px ${theme.sans}`; ctx.textAlign = "left"; ctx.textBaseline = "alphabetic";
      let x = GUTTER + 4;
      for (const name of shown) {
        const number = track.columns.indexOf(name);
        ctx.strokeStyle = theme.series[number % 8]; ctx.lineWidth = 2; ctx.setLineDash(DASHES[number % 8]);
        ctx.beginPath(); ctx.moveTo(x, top - 8); ctx.lineTo(x + 22, top - 8); ctx.stroke(); ctx.setLineDash([]);
        ctx.fillStyle = theme.soft; ctx.fillText(labels[name], x + 27, top - 4);
        x += 44 + ctx.measureText(labels[name]).width;
      }
    }
  },
  patches(ctx, track, top, width) {
    const scale = scaleOf(width);
    let i = first();
    while (i < last()) {
      const number = patchOf[i], start = meta.patches[number - 1], end = meta.patches[number] ?? L;
      const a = Math.max(GUTTER, xOf(start, width)), b = Math.min(width - RIGHT, xOf(end, width));
      ctx.fillStyle = number % 2 ? theme.p0 : theme.p1; ctx.fillRect(a, top, b - a, track.height);
      ctx.fillStyle = number % 2 ? theme.e0 : theme.e1; ctx.fillRect(a + (scale > 3 ? 1 : 0), top + track.height - 3, Math.max(b - a - (scale > 3 ? 2 : 0), 0.5), 3);
      i = end;
    }
    if (scale >= 6) {
      ctx.font = `bold ${Math.min(14, scale * 1.3)}px ${theme.mono}`; ctx.textAlign = "center"; ctx.textBaseline = "middle";
      for (let j = first(); j < last(); j++) { const x = xOf(j + 0.5, width); if (x > GUTTER && x < width - RIGHT) { ctx.fillStyle = colourOf(letters[j]); ctx.fillText(letters[j], x, top + track.height / 2 - 1); } }
    }
  },
  arcs(ctx, track, top, width) {
    const own = meta.attention.find((a) => a.block === block);
    if (!own) return;
    const m = own.map.length, centre = (i) => xOf(((i + 0.5) * L) / m, width), links = [];
    const cursor = hovered ?? held, seat = Array.from({ length: m }, (_, i) => patchOf[Math.min(L - 1, Math.floor(((i + 0.5) * L) / m))]);
    const link = (w, i, j) => { if (seat[i] !== seat[j]) links.push([w, i, j]); };
    if (cursor !== null) own.map[Math.floor((cursor * m) / L)].forEach((w, j) => link(w, Math.floor((cursor * m) / L), j));
    else own.map.forEach((row, i) => row.forEach((w, j) => link(w, i, j)));
    links.sort((a, b) => b[0] - a[0]);
    const most = links.length ? links[0][0] : 1, floor = top + track.height;
    ctx.save(); ctx.beginPath(); ctx.rect(GUTTER, top - 2, width - GUTTER - RIGHT, track.height + 3); ctx.clip();
    ctx.strokeStyle = theme.series[6];
    for (const [w, i, j] of links.slice(0, cursor === null ? 40 : 12)) {
      const a = centre(i), b = centre(j), r = Math.abs(b - a) / 2;
      ctx.globalAlpha = 0.15 + 0.75 * (w / most); ctx.lineWidth = 0.6 + 2.4 * (w / most);
      ctx.beginPath(); ctx.ellipse((a + b) / 2, floor, r, Math.min(track.height - 2, 8 + r), 0, Math.PI, 2 * Math.PI); ctx.stroke();
    }
    ctx.restore();
  },
};

// ---- the picture
function layout() {
  let y = 6;
  const shown = [];
  for (const track of meta.tracks) {
    if (hidden.has(track.id)) continue;
    if (track.kind === "lines" && !track.block && track.columns.length > 1) y += 16;
    shown.push([track, y]);
    y += track.height + (track.gap ?? 14);
  }
  return [shown, y];
}
function paint(ctx, width, height, shown, cursor) {
  ctx.clearRect(0, 0, width, height);
  ctx.fillStyle = theme.card; ctx.fillRect(0, 0, width, height);
  if (cursor !== null && cursor >= view.from - 1 && cursor < view.to) {
    const a = Math.max(GUTTER, xOf(cursor, width)), b = Math.min(width - RIGHT, Math.max(xOf(cursor + 1, width), a + 1));
    ctx.fillStyle = theme.hover; ctx.fillRect(a, 0, b - a, height);
    if (scaleOf(width) < 6) { ctx.strokeStyle = theme.soft; ctx.lineWidth = 1; ctx.setLineDash([3, 3]); ctx.beginPath(); ctx.moveTo((a + b) / 2, 0); ctx.lineTo((a + b) / 2, height); ctx.stroke(); ctx.setLineDash([]); }
  }
  for (const [track, top] of shown) {
    ctx.save();
    ctx.font = `600 12px ${theme.sans}`; ctx.textAlign = "left"; ctx.textBaseline = "middle"; ctx.fillStyle = theme.ink;
    const middle = top + track.height / 2;
    track.title.split("\n").forEach((line, i, all) => { if (i) { ctx.font = `11px ${theme.sans}`; ctx.fillStyle = theme.soft; } ctx.fillText(line, 12, middle + (i - (all.length - 1) / 2) * 15); });
    painters[track.kind](ctx, track, top, width);
    ctx.restore();
  }
}
function sized(target, width, height, ratio) {
  target.width = Math.round(width * ratio); target.height = Math.round(height * ratio);
  const ctx = target.getContext("2d");
  ctx.setTransform(ratio, 0, 0, ratio, 0, 0);
  return ctx;
}
function draw() {
  const [shown, height] = layout(), width = Math.max(canvas.clientWidth, 320);
  canvas.style.height = `${height}px`;
  paint(sized(canvas, width, height, devicePixelRatio || 1), width, height, shown, hovered ?? held);
  canvas.dataset.from = meta.start + first() + 1;
  canvas.dataset.to = meta.start + last();
  canvas.dataset.tracks = shown.map(([track]) => track.id).join(" ");
  byId("in").disabled = view.to - view.from <= LEAST + 1e-6;
  byId("out").disabled = byId("whole").disabled = view.to - view.from >= L - 1e-6;
  byId("left").disabled = view.from <= 0; byId("right").disabled = view.to >= L - 1e-6;
  drawOverview();
}
function drawOverview() {
  const width = Math.max(overview.clientWidth, 320), height = 34, ctx = sized(overview, width, height, devicePixelRatio || 1);
  const name = columns.attribution ? "attribution" : meta.columns.find((c) => /^(p_|log_)/.test(c.name))?.name || meta.columns[0].name, values = columns[name];
  const scale = (width - GUTTER - RIGHT) / L, at = (base) => GUTTER + base * scale;
  ctx.fillStyle = theme.soft; ctx.font = `11px ${theme.sans}`; ctx.textBaseline = "middle"; ctx.fillText("whole sequence", 12, height / 2);
  let most = 0;
  for (const v of values) if (Math.abs(v) > most) most = Math.abs(v);
  for (let x = 0; x < width - GUTTER - RIGHT; x++) {
    let tall = 0;
    for (let i = Math.floor(x / scale); i < Math.max(Math.floor(x / scale) + 1, Math.floor((x + 1) / scale)) && i < L; i++) tall = Math.max(tall, Math.abs(values[i]) || 0);
    ctx.fillRect(GUTTER + x, height - 3 - (tall / (most || 1)) * (height - 8), 1, (tall / (most || 1)) * (height - 8));
  }
  ctx.strokeStyle = theme.link || theme.up; ctx.lineWidth = 1.5; ctx.strokeRect(at(view.from) + 0.75, 1, Math.max((view.to - view.from) * scale - 1.5, 3), height - 2);
  ctx.globalAlpha = 0.1; ctx.fillStyle = theme.up; ctx.fillRect(at(view.from), 1, Math.max((view.to - view.from) * scale, 3), height - 2);
}

// ---- reading a base
function say(base) {
  if (base === null) { readout.textContent = "Point at a base to read its values."; return; }
  const patch = patchOf[base], start = meta.patches[patch - 1], end = meta.patches[patch] ?? L;
  const parts = [`patch ${patch} (${place(start)}–${place(end - 1)}, ${end - start} ${end - start === 1 ? "base" : "bases"})`];
  if (columns.attribution) {
    parts.push(`attribution ${tidy(columns.attribution[base])}`);
    const effects = [...meta.alphabet].filter((x) => x !== letters[base]);
    if (effects.length <= 4) parts.push(effects.map((x) => `${letters[base]}→${x} ${tidy(columns[`effect_${x}`][base], 2)}`).join(", "));
  }
  for (const c of meta.columns) if (/^(p_|log_likelihood|entropy)/.test(c.name)) parts.push(`${c.name.startsWith("p_") ? `P(${c.label})` : c.label} ${tidy(columns[c.name][base])}`);
  if (meta.probability) parts.push(meta.probability);
  const expected = columns[`expected_${letters[base]}`];
  if (expected) parts.push(`P(${letters[base]}) ${tidy(expected[base])}`);
  parts.push(`boundary score ${tidy(columns.boundary_score[base])}`);
  if (block !== null) parts.push(`attention received ${tidy(columns[`attention_${block}`][base])}×`);
  const over = meta.features.filter((f) => f.start <= base && base < f.end).map((f) => `${f.name}${f.strand === "." ? "" : ` (${f.strand})`}`);
  if (over.length) parts.push(over.slice(0, 4).join("; "));
  readout.textContent = "";
  const head = document.createElement("b");
  head.textContent = `${meta.contig}:${place(base)} ${letters[base]}`;
  readout.append(head, ` · ${parts.join(" · ")}`);
}
function point(base) {
  hovered = base !== null && base >= 0 && base < L ? base : null;
  say(hovered ?? held);
  draw();
}

// ---- pointer and keyboard
let drag = null;
const within = (event) => event.clientX - canvas.getBoundingClientRect().left;
canvas.addEventListener("pointermove", (event) => {
  const width = canvas.clientWidth, x = within(event);
  if (drag) {
    if (Math.abs(x - drag.x) > 3) { drag.moved = true; canvas.classList.add("moving"); }
    if (drag.moved) { clampView(drag.from - (x - drag.x) / scaleOf(width), view.to - view.from); draw(); }
    return;
  }
  point(x >= GUTTER && x <= width - RIGHT ? baseAt(x, width) : null);
});
canvas.addEventListener("pointerdown", (event) => { if (event.button === 0) { drag = { x: within(event), from: view.from, moved: false }; canvas.setPointerCapture(event.pointerId); } });
canvas.addEventListener("pointerup", (event) => {
  if (drag && !drag.moved) {
    const x = within(event), base = x >= GUTTER ? baseAt(x, canvas.clientWidth) : null;
    held = base === held || base === null || base < 0 || base >= L ? null : base;
    say(hovered ?? held); draw();
  }
  drag = null; canvas.classList.remove("moving");
});
canvas.addEventListener("pointercancel", () => { drag = null; canvas.classList.remove("moving"); });
canvas.addEventListener("pointerleave", () => { if (!drag) point(null); });
canvas.addEventListener("dblclick", (event) => zoom(0.5, view.from + (within(event) - GUTTER) / scaleOf(canvas.clientWidth)));
canvas.addEventListener("wheel", (event) => {
  if (event.ctrlKey || event.metaKey) { event.preventDefault(); zoom(event.deltaY > 0 ? 1.25 : 0.8, view.from + (within(event) - GUTTER) / scaleOf(canvas.clientWidth)); }
  else if (Math.abs(event.deltaX) > Math.abs(event.deltaY)) { event.preventDefault(); move(event.deltaX / canvas.clientWidth); }
}, { passive: false });
canvas.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const turn = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
  if (turn && event.shiftKey) move(turn / 4);
  else if (turn) {
    const from = hovered ?? held;
    hovered = null;
    held = from === null ? first() : Math.min(Math.max(from + turn, 0), L - 1);
    if (held < view.from || held >= view.to) clampView(held - (view.to - view.from) / 2, view.to - view.from);
    say(held); draw();
  } else if (event.key === "+" || event.key === "=") zoom(0.5);
  else if (event.key === "-") zoom(2);
  else if (event.key === "0") { clampView(0, L); draw(); }
  else if (event.key === "Home") { clampView(0, view.to - view.from); draw(); }
  else if (event.key === "End") { clampView(L, view.to - view.from); draw(); }
  else if (event.key === "Escape") { held = null; point(null); }
  else return;
  event.preventDefault();
});
overview.addEventListener("pointerdown", (event) => { overview.setPointerCapture(event.pointerId); centreOn(event); });
overview.addEventListener("pointermove", (event) => { if (event.buttons & 1) centreOn(event); });
function centreOn(event) {
  const box = overview.getBoundingClientRect(), size = view.to - view.from;
  clampView(((event.clientX - box.left - GUTTER) / (box.width - GUTTER - RIGHT)) * L - size / 2, size);
  draw();
}
byId("in").onclick = () => zoom(0.5);
byId("out").onclick = () => zoom(2);
byId("left").onclick = () => move(-0.5);
byId("right").onclick = () => move(0.5);
byId("whole").onclick = () => { clampView(0, L); draw(); };
const goto = byId("goto");
goto.addEventListener("change", () => {
  const found = goto.value.replace(/[,\s]/g, "").match(/^(?:.*:)?(\d+)(?:(?:-|\.\.)(\d+))?$/);
  let from = found ? Number(found[1]) - 1 - meta.start : NaN, to = found && found[2] ? Number(found[2]) - meta.start : from + 1;
  const good = from >= 0 && from < L && to > from && to <= L;
  goto.setAttribute("aria-invalid", String(!good && goto.value !== ""));
  if (!good) return;
  if (!found[2]) { held = from; const size = Math.min(view.to - view.from, 60); from -= size / 2; to = from + size; say(held); }
  clampView(from, to - from);
  draw();
});
byId("block")?.addEventListener("change", (event) => { block = Number(event.target.value); say(hovered ?? held); draw(); });

// ---- which tracks
for (const track of meta.tracks) {
  if (track.kind === "ruler") continue;
  const label = document.createElement("label"), box = document.createElement("input");
  box.type = "checkbox"; box.checked = true; box.value = track.id;
  box.addEventListener("change", () => { box.checked ? hidden.delete(track.id) : hidden.add(track.id); draw(); });
  label.append(box, track.title.split("\n")[0]);
  byId("tracks").append(label);
}

// ---- files
function save(name, content) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(content instanceof Blob ? content : new Blob([content], { type: "text/plain" }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
}
byId("tsv").onclick = () => {
  const head = ["contig", "position", "base", "patch", ...meta.columns.map((c) => c.name)].join("\t");
  save(`${meta.file}.tsv`, [head, ...rows.map((row, i) => [meta.contig, meta.start + i + 1, ...row].join("\t"))].join("\n") + "\n");
};
byId("bed").onclick = () => save(`${meta.file}.bed`, meta.bed);
byId("png").onclick = () => {
  const [shown, height] = layout(), width = Math.max(canvas.clientWidth, 320), sheet = document.createElement("canvas");
  paint(sized(sheet, width, height, 2), width, height, shown, held);
  sheet.toBlob((blob) => save(`${meta.file}.png`, blob), "image/png");
};

// ---- maps of attention
function drawMaps() {
  const folder = byId("maps");
  if (!folder) return;
  folder.textContent = "";
  for (const one of meta.attention) {
    const box = document.createElement("div"), title = document.createElement("p"), map = document.createElement("canvas"), m = one.map.length;
    title.textContent = `block ${one.block}, ${one.kind}`;
    map.width = map.height = m;
    map.setAttribute("role", "img");
    map.setAttribute("aria-label", `Attention between ${m} stretches of the sequence, block ${one.block}`);
    const ctx = map.getContext("2d");
    ctx.fillStyle = theme.heat;
    const most = Math.max(...one.map.flat());
    one.map.forEach((row, i) => row.forEach((w, j) => { ctx.globalAlpha = Math.sqrt(w / most); ctx.fillRect(j, i, 1, 1); }));
    map.addEventListener("pointermove", (event) => {
      const area = map.getBoundingClientRect(), j = Math.min(m - 1, Math.floor(((event.clientX - area.left) / area.width) * m)), i = Math.min(m - 1, Math.floor(((event.clientY - area.top) / area.height) * m));
      const name = (k) => { const a = Math.ceil((k * L) / m), b = Math.max(a, Math.ceil(((k + 1) * L) / m) - 1); return a === b ? place(a) : `${place(a)}–${place(b)}`; };
      tip.textContent = `${name(i)} gives ${tidy(100 * one.map[i][j], 2)} % of its attention to ${name(j)}`;
      tip.hidden = false;
      tip.style.transform = `translate(${Math.min(event.clientX + 14, innerWidth - tip.offsetWidth - 6)}px, ${event.clientY + 18}px)`;
    });
    map.addEventListener("pointerleave", () => { tip.hidden = true; });
    box.append(title, map); folder.append(box);
  }
}

// ---- whole page: sizes, dark mode, paper
function everything() { readTheme(); draw(); drawMaps(); }
new ResizeObserver(() => draw()).observe(canvas.parentElement);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", everything);
addEventListener("beforeprint", () => { document.documentElement.classList.add("printing"); everything(); });
addEventListener("afterprint", () => { document.documentElement.classList.remove("printing"); everything(); });
everything();
