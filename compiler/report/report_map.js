// The plan, its map of addresses over steps, and the load below it.
//
//   view       what the two figures show: steps [x0, x1), addresses [y0, y1); one for both
//   base       a canvas that is drawn when the view changes
//   over       a canvas on top of it: hovered and pinned tensors, the chosen step
//
// Addresses are of the one allocation: the persistent part first, the arena above it.

const plan = JSON.parse(document.getElementById("data").textContent);
const CLASSES = ["kept", "transient", "recomputed", "workspace"];
const $ = (id) => document.getElementById(id);
const MIB = 1048576;
const mib = (bytes) => (bytes / MIB).toFixed(1);
const ms = (us) => (us < 1000 ? us.toFixed(0) + " µs" : (us / 1000).toFixed(us < 1e4 ? 2 : 1) + " ms");
const text = (k) => plan.strings[k];
const plural = (count, noun) => count + " " + noun + (count === 1 ? "" : "s");

// ---- the data as objects ----------------------------------------------------------------------

const place = (file, line) => (line ? text(file) + ":" + line : "");

const kernels = plan.kernels.map(([label, code, file, line, backward, us, flops, bytes]) =>
  ({ label: text(label), code: text(code), place: place(file, line), backward, us, flops, bytes }));

const steps = plan.steps.map(([kernel, again, reads, makes], index) =>
  ({ index, kernel: kernels[kernel], kernelId: kernel, again, reads, makes }));

const buffers = plan.buffers.map((row, index) => {
  const [name, kind, instance, offset, bytes, first, end, inPlaceOf, type, n, h, w, c, padding, file,
    line] = row;
  return {
    index, name: text(name) + (instance ? "#" + (instance + 1) : ""), kind, instance,
    address: plan.persistent + offset, offset, bytes, first, end, inPlaceOf, takenBy: -1,
    type: text(type), shape: n ? [n, h, w, c] : null, padding, maker: first, place: place(file, line),
    readers: [], drop: null, repeat: null,
  };
});
for (const step of steps)
  for (const b of new Set(step.reads)) buffers[b].readers.push(step.index);
for (const buffer of buffers)
  if (buffer.inPlaceOf >= 0) buffers[buffer.inPlaceOf].takenBy = buffer.index;
for (const [b, possible, from, to, freesPeak, us, count, obstacle] of plan.drops)
  buffers[b].drop = { possible, from, to, freesPeak, us, count, obstacle: kernels[obstacle] };
const repeats = plan.repeats.map(([step, b, droppedAt, freesPeak, us, flops, bytes]) =>
  (buffers[b].repeat = { step, buffer: buffers[b], droppedAt, freesPeak, us, flops, bytes }));

// loads[class][step]: bytes alive
const loads = CLASSES.map(() => new Float64Array(steps.length + 1));
for (const buffer of buffers) {
  loads[buffer.kind][buffer.first] += buffer.bytes;
  loads[buffer.kind][buffer.end] -= buffer.bytes;
}
for (const load of loads) for (let s = 1; s < load.length; s++) load[s] += load[s - 1];
const loadAt = (s) => loads.reduce((sum, load) => sum + load[s], 0);

// aliveAt(s): buffers, largest first
const aliveAt = (s) => buffers.filter((b) => b.first <= s && s < b.end)
  .sort((a, b) => b.bytes - a.bytes || a.index - b.index);

// ---- colours ----------------------------------------------------------------------------------

let ink = {};
function readColours() {
  const style = getComputedStyle(document.documentElement);
  for (const name of ["ground", "panel", "line", "text", "quiet", "accent", "mark", "bad", "state",
    "reserve", "hatch", "free", ...CLASSES]) ink[name] = style.getPropertyValue("--" + name).trim();
}

// ---- the view ---------------------------------------------------------------------------------

const MARGIN = { left: 62, right: 10, top: 8, bottom: 22 };
const ceiling = Math.max(plan.total, plan.persistent + plan.segmentArena) * 1.04;
const elapsed = new Float64Array(steps.length + 1); // estimated microseconds before each step
steps.forEach((step, s) => { elapsed[s + 1] = elapsed[s] + step.kernel.us; });
let byTime = false;
const xOf = (s) => (byTime ? elapsed[s] : s);
const xEnd = () => xOf(steps.length);
function stepAt(x) { // the step that x lies in
  if (!byTime) return Math.max(0, Math.min(steps.length - 1, Math.floor(x)));
  let low = 0, high = steps.length - 1;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (elapsed[middle] <= x) low = middle; else high = middle - 1;
  }
  return low;
}
const floorOfView = plan.persistent > 0.5 * plan.total ? plan.persistent : 0;
const view = { x0: 0, x1: xEnd(), y0: floorOfView, y1: ceiling };
let hovered = -1, pinned = -1, chosenStep = -1, dragBox = null;

function clampView() {
  const end = xEnd(), leastX = end / 5000, leastY = 256;
  let width = Math.min(end, Math.max(leastX, view.x1 - view.x0));
  let height = Math.min(ceiling, Math.max(leastY, view.y1 - view.y0));
  view.x0 = Math.max(0, Math.min(end - width, view.x0));
  view.y0 = Math.max(0, Math.min(ceiling - height, view.y0));
  view.x1 = view.x0 + width;
  view.y1 = view.y0 + height;
}

function zoom(factor, x, y, inX = true, inY = true) {
  if (inX) { view.x0 = x - (x - view.x0) * factor; view.x1 = x + (view.x1 - x) * factor; }
  if (inY) { view.y0 = y - (y - view.y0) * factor; view.y1 = y + (view.y1 - y) * factor; }
  redraw();
}
function showAll() { Object.assign(view, { x0: 0, x1: xEnd(), y0: floorOfView, y1: ceiling }); redraw(); }
function showStep(s, width) {
  const middle = (xOf(s) + xOf(s + 1)) / 2;
  view.x0 = middle - width / 2; view.x1 = middle + width / 2;
  redraw();
}

// ---- canvases ---------------------------------------------------------------------------------

function makeFigure(base, over) {
  return { base: $(base), over: $(over), width: 0, height: 0,
    box() { return { x: MARGIN.left, y: MARGIN.top, w: this.width - MARGIN.left - MARGIN.right,
      h: this.height - MARGIN.top - MARGIN.bottom }; } };
}
const map = makeFigure("map", "map-over"), load = makeFigure("load", "load-over");

function fit(figure) {
  const ratio = window.devicePixelRatio || 1;
  figure.width = figure.base.parentElement.clientWidth;
  figure.height = figure.base.parentElement.clientHeight;
  for (const canvas of [figure.base, figure.over]) {
    canvas.width = Math.round(figure.width * ratio);
    canvas.height = Math.round(figure.height * ratio);
  }
}
function begin(canvas, figure) {
  const g = canvas.getContext("2d"), ratio = canvas.width / figure.width;
  g.setTransform(ratio, 0, 0, ratio, 0, 0);
  g.clearRect(0, 0, figure.width, figure.height);
  g.font = "11px system-ui, sans-serif";
  return g;
}
const toX = (figure, x) => { const b = figure.box(); return b.x + (x - view.x0) / (view.x1 - view.x0) * b.w; };
const toY = (figure, y) => { const b = figure.box(); return b.y + b.h - (y - view.y0) / (view.y1 - view.y0) * b.h; };
const fromX = (figure, px) => { const b = figure.box(); return view.x0 + (px - b.x) / b.w * (view.x1 - view.x0); };
const fromY = (figure, py) => { const b = figure.box(); return view.y0 + (b.y + b.h - py) / b.h * (view.y1 - view.y0); };

function hatch(g) {
  const tile = document.createElement("canvas");
  tile.width = tile.height = 8;
  const t = tile.getContext("2d");
  t.strokeStyle = ink.hatch;
  t.lineWidth = 1;
  for (const shift of [-8, 0, 8]) { t.beginPath(); t.moveTo(shift, 8); t.lineTo(shift + 8, 0); t.stroke(); }
  return g.createPattern(tile, "repeat");
}

// Round numbers between low and high, about `count` of them.
function ticks(low, high, count) {
  const raw = (high - low) / count, power = 10 ** Math.floor(Math.log10(raw));
  const unit = [1, 2, 5, 10].map((m) => m * power).find((u) => u >= raw) || power * 10;
  const list = [];
  for (let t = Math.ceil(low / unit) * unit; t <= high; t += unit) list.push(t);
  return list;
}

function drawAxes(g, figure, yToPixel, low, high) {
  const b = figure.box();
  g.strokeStyle = ink.line; g.fillStyle = ink.quiet; g.lineWidth = 1;
  g.textAlign = "right"; g.textBaseline = "middle";
  for (const t of ticks(low / MIB, high / MIB, Math.max(2, b.h / 60))) {
    const y = Math.round(yToPixel(t * MIB)) + 0.5;
    g.beginPath(); g.moveTo(b.x - 4, y); g.lineTo(b.x, y); g.stroke();
    g.fillText(t >= 1e4 ? t.toFixed(0) : String(+t.toFixed(3)), b.x - 7, y);
  }
  g.textAlign = "center"; g.textBaseline = "top";
  for (const t of ticks(view.x0, view.x1, Math.max(2, b.w / 110))) {
    const x = Math.round(toX(figure, t)) + 0.5;
    if (x < b.x || x > b.x + b.w - 12) continue;
    g.beginPath(); g.moveTo(x, b.y + b.h); g.lineTo(x, b.y + b.h + 4); g.stroke();
    g.fillText(byTime ? +(t / 1000).toFixed(3) + " ms" : String(+t.toFixed(2)), x, b.y + b.h + 6);
  }
  g.strokeRect(b.x - 0.5, b.y - 0.5, b.w + 1, b.h + 1);
  g.save(); g.translate(11, b.y + b.h / 2); g.rotate(-Math.PI / 2);
  g.textBaseline = "middle"; g.fillText("MiB", 0, 0); g.restore();
}

function clip(g, figure) { const b = figure.box(); g.save(); g.beginPath(); g.rect(b.x, b.y, b.w, b.h); g.clip(); }

function rectangle(buffer) {
  const x = toX(map, xOf(buffer.first)), right = toX(map, xOf(buffer.end));
  const y = toY(map, buffer.address + buffer.bytes), bottom = toY(map, buffer.address);
  return { x, y, w: right - x, h: bottom - y };
}

// ---- the map ----------------------------------------------------------------------------------

function drawPersistent(g) {
  const b = map.box();
  let at = 0;
  plan.parts.forEach(([name, bytes], k) => {
    const y = toY(map, at + bytes), bottom = toY(map, at);
    g.globalAlpha = 1 - 0.11 * k;
    g.fillStyle = ink.state;
    g.fillRect(b.x, y, b.w, bottom - y);
    g.globalAlpha = 1;
    g.fillStyle = ink.ground;
    g.fillRect(b.x, y, b.w, 0.5);
    if (bottom - y > 11) {
      g.fillStyle = "#fff"; g.textAlign = "left"; g.textBaseline = "middle";
      g.fillText(name + "  " + mib(bytes) + " MiB", b.x + 6, (y + bottom) / 2);
    }
    at += bytes;
  });
}

function drawBuffers(g) {
  const b = map.box();
  const patterns = CLASSES.map((name) => ink[name]);
  g.textAlign = "left"; g.textBaseline = "middle";
  for (const buffer of buffers) {
    const r = rectangle(buffer);
    if (r.x > b.x + b.w || r.x + r.w < b.x || r.y > b.y + b.h || r.y + r.h < b.y) continue;
    g.fillStyle = patterns[buffer.kind];
    g.fillRect(r.x, r.y, Math.max(r.w, 0.6), Math.max(r.h, 0.6));
    if (r.w > 3 && r.h > 3) {
      g.strokeStyle = ink.ground; g.lineWidth = 0.5;
      g.strokeRect(r.x, r.y, r.w, r.h);
    }
    const left = Math.max(r.x, b.x), room = Math.min(r.x + r.w, b.x + b.w) - left - 8;
    if (r.h > 12 && room > 34) {
      g.fillStyle = buffer.kind === 1 || buffer.kind === 3 ? "#06202f" : "#fff";
      let name = buffer.name;
      while (name.length > 3 && g.measureText(name).width > room) name = name.slice(0, -Math.max(1, name.length >> 3));
      g.fillText(name.length < buffer.name.length ? name.slice(0, -1) + "…" : name, left + 4, r.y + r.h / 2);
    }
  }
}

function drawLine(g, figure, y, label, colour) {
  const b = figure.box();
  if (y < b.y || y > b.y + b.h) return;
  g.strokeStyle = colour; g.setLineDash([6, 4]); g.lineWidth = 1.25;
  g.beginPath(); g.moveTo(b.x, y); g.lineTo(b.x + b.w, y); g.stroke();
  g.setLineDash([]);
  g.fillStyle = colour; g.textAlign = "right"; g.textBaseline = "bottom";
  const base = y - 2 < b.y + 12 ? y + 14 : y - 2;
  g.strokeStyle = ink.ground; g.lineWidth = 3; g.lineJoin = "round";
  g.strokeText(label, b.x + b.w - 4, base);
  g.fillText(label, b.x + b.w - 4, base);
}

function drawMap() {
  const g = begin(map.base, map), b = map.box();
  clip(g, map);
  g.fillStyle = ink.free; g.fillRect(b.x, b.y, b.w, b.h);
  drawPersistent(g);
  const y = toY(map, plan.persistent + plan.segmentArena), bottom = toY(map, plan.persistent);
  g.fillStyle = ink.ground; g.fillRect(b.x, y, b.w, bottom - y);
  g.fillStyle = hatch(g); g.fillRect(b.x, y, b.w, bottom - y);
  drawBuffers(g);
  if (plan.budget) drawLine(g, map, toY(map, plan.budget), "budget " + mib(plan.budget) + " MiB", ink.bad);
  const turn = toX(map, xOf(Math.min(plan.backward, steps.length)));
  g.strokeStyle = ink.mark; g.globalAlpha = 0.55; g.lineWidth = 1;
  if (plan.backward < steps.length) { g.beginPath(); g.moveTo(turn, b.y); g.lineTo(turn, b.y + b.h); g.stroke(); }
  g.restore();
  if (plan.backward < steps.length && turn > b.x + 60 && turn < b.x + b.w - 60) {
    g.fillStyle = ink.quiet; g.textBaseline = "top";
    g.textAlign = "right"; g.fillText("forward", turn - 6, b.y + 3);
    g.textAlign = "left"; g.fillText("backward", turn + 6, b.y + 3);
  }
  drawAxes(g, map, (v) => toY(map, v), view.y0, view.y1);
}

// The load has a range of bytes of its own, whatever the map shows.
const loadY = (v) => { const b = load.box(); return b.y + b.h - (v - floorOfView) / (ceiling - floorOfView) * b.h; };

function drawLoad() {
  const g = begin(load.base, load), b = load.box();
  clip(g, load);
  g.fillStyle = ink.free; g.fillRect(b.x, b.y, b.w, b.h);
  g.fillStyle = ink.state; g.fillRect(b.x, loadY(plan.persistent), b.w, b.y + b.h - loadY(plan.persistent));
  const first = stepAt(view.x0), last = Math.min(steps.length - 1, stepAt(view.x1) + 1);
  let base = new Float64Array(last - first + 1).fill(plan.persistent);
  CLASSES.forEach((name, k) => {
    const top = base.map((v, i) => v + loads[k][first + i]);
    g.fillStyle = ink[name];
    g.beginPath();
    for (let i = 0; i < top.length; i++) {
      g.lineTo(toX(load, xOf(first + i)), loadY(top[i]));
      g.lineTo(toX(load, xOf(first + i + 1)), loadY(top[i]));
    }
    for (let i = top.length - 1; i >= 0; i--) {
      g.lineTo(toX(load, xOf(first + i + 1)), loadY(base[i]));
      g.lineTo(toX(load, xOf(first + i)), loadY(base[i]));
    }
    g.fill();
    base = top;
  });
  if (plan.budget)
    drawLine(g, load, Math.max(b.y + 1, loadY(plan.budget)),
      "budget " + mib(plan.budget) + " MiB" + (plan.budget > ceiling ? " (above)" : ""), ink.bad);
  g.restore();
  drawAxes(g, load, loadY, floorOfView, ceiling);
}

// ---- what lies over it ------------------------------------------------------------------------

// Tensors that the maker of `buffer` read, and those that its readers made.
const makersOf = (buffer) => (buffer.kind === 3 ? [] : [...new Set(steps[buffer.maker].reads)]);
const usersOf = (buffer) => [...new Set(buffer.readers.flatMap((s) => steps[s].makes))];

function outline(g, buffer, colour, width) {
  const r = rectangle(buffer);
  g.strokeStyle = colour; g.lineWidth = width;
  g.strokeRect(r.x - 0.5, r.y - 0.5, Math.max(r.w, 1) + 1, Math.max(r.h, 1) + 1);
}

function thread(g, from, to, s, colour) {
  const a = rectangle(from), b = rectangle(to), x = toX(map, (xOf(s) + xOf(s + 1)) / 2);
  const y0 = a.y + a.h / 2, y1 = b.y + b.h / 2;
  g.strokeStyle = colour; g.lineWidth = 1.5; g.fillStyle = colour;
  g.beginPath(); g.moveTo(x, y0); g.bezierCurveTo(x - 14, y0, x - 14, y1, x, y1); g.stroke();
  g.beginPath(); g.arc(x, y1, 2.5, 0, 7); g.fill();
}

function drawOver() {
  const g = begin(map.over, map), b = map.box();
  clip(g, map);
  if (pinned >= 0) {
    const buffer = buffers[pinned];
    for (const k of makersOf(buffer)) { outline(g, buffers[k], ink.mark, 1); thread(g, buffers[k], buffer, buffer.maker, ink.mark); }
    for (const k of usersOf(buffer)) {
      outline(g, buffers[k], ink.accent, 1);
      thread(g, buffer, buffers[k], buffers[k].maker, ink.accent);
    }
    outline(g, buffer, ink.mark, 3);
  }
  if (hovered >= 0) outline(g, buffers[hovered], ink.mark, 2);
  if (chosenStep >= 0) {
    const x = toX(map, (xOf(chosenStep) + xOf(chosenStep + 1)) / 2);
    g.strokeStyle = ink.mark; g.lineWidth = 1; g.beginPath(); g.moveTo(x, b.y); g.lineTo(x, b.y + b.h); g.stroke();
  }
  if (dragBox) {
    g.fillStyle = ink.accent; g.globalAlpha = 0.2;
    g.fillRect(dragBox.x, dragBox.y, dragBox.w, dragBox.h);
  }
  g.restore();
  const l = begin(load.over, load), c = load.box();
  if (chosenStep < 0) return;
  clip(l, load);
  const x = toX(load, (xOf(chosenStep) + xOf(chosenStep + 1)) / 2);
  l.strokeStyle = ink.mark; l.lineWidth = 1; l.beginPath(); l.moveTo(x, c.y); l.lineTo(x, c.y + c.h); l.stroke();
  l.fillStyle = ink.mark; l.beginPath(); l.arc(x, loadY(plan.persistent + loadAt(chosenStep)), 3, 0, 7); l.fill();
  l.restore();
}

let isWaiting = false;
function redraw() {
  clampView();
  if (isWaiting) return;
  isWaiting = true;
  requestAnimationFrame(drawAll);
}
function drawAll() { isWaiting = false; drawMap(); drawLoad(); drawOver(); }
// A canvas that is drawn while the page is being printed comes out blank: the figures are printed as
// they are on the screen, and turned light by the style sheet where they are dark.
function resize() {
  if (matchMedia("print").matches) return;
  readColours();
  document.documentElement.dataset.drawn = getComputedStyle(document.documentElement).colorScheme;
  fit(map); fit(load); clampView(); drawAll();
}

// The tensor at a point of the map, -1: none.
function bufferAt(px, py) {
  const s = stepAt(fromX(map, px)), address = fromY(map, py), b = map.box();
  if (px < b.x || px > b.x + b.w || py < b.y || py > b.y + b.h) return -1;
  return buffers.findIndex((buffer) => buffer.first <= s && s < buffer.end
    && buffer.address <= address && address < buffer.address + buffer.bytes);
}
