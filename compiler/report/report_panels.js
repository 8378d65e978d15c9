// Everything around the map: verdict, details, tables, the curve, what would fit, what is proven.

function element(name, attributes = {}, ...children) {
  const node = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key.startsWith("on")) node.addEventListener(key.slice(2), value);
    else if (key === "class") node.className = value;
    else if (value !== null && value !== undefined) node.setAttribute(key, value);
  }
  node.append(...children);
  return node;
}
function svg(name, attributes = {}, ...children) {
  const node = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  node.append(...children);
  return node;
}
const keptUs = plan.once.us - plan.rebuildUs; // a step that computes nothing twice
const size = (bytes) => (bytes % MIB ? String(bytes) : bytes / MIB + "MiB"); // as a flag takes it
const percent = (part, whole, digits = 1) => (whole > 0 ? 100 * part / whole : 0).toFixed(digits) + " %";
const chip = (kind) => {
  const node = element("span", { class: "chip " + CLASSES[kind] }, CLASSES[kind]);
  node.style.background = "var(--" + CLASSES[kind] + ")";
  return node;
};
const tensorLink = (k) => element("button", { type: "button", class: "link mono", onclick: () => pin(k, true) },
  buffers[k].name);
const stepLink = (s) => element("button", { type: "button", class: "link mono", onclick: () => choose(s, true) },
  s + " " + steps[s].kernel.label + (steps[s].again ? " (again)" : ""));
function fields(...pairs) {
  const list = element("dl");
  for (const [name, value] of pairs) if (value !== null && value !== "") list.append(element("dt", {}, name), element("dd", {}, value));
  return list;
}

// ---- head -------------------------------------------------------------------------------------

function showHead() {
  $("model").textContent = plan.model;
  document.title = plan.model + ": memory plan";
  $("subtitle").textContent = [plan.file, "batch " + plan.batch, plan.image.join(" × "),
    plan.storage, plan.card, (plan.parameters / 1e6).toFixed(2) + " M parameters"].join("  ·  ");
  const verdict = $("verdict");
  if (!plan.budget) verdict.append("needs ", element("b", {}, mib(plan.total) + " MiB"), "; no budget was given");
  else if (plan.fits) verdict.append(element("b", { class: "good" }, "fits"), ": needs " + mib(plan.total) + " of "
    + mib(plan.budget) + " MiB, " + mib(plan.budget - plan.total) + " MiB left");
  else verdict.append(element("b", { class: "bad" }, "does not fit"), ": needs " + mib(plan.total) + " MiB, the budget is "
    + mib(plan.budget) + " MiB");
  const again = plan.addedUs > 0 ? ", +" + percent(plan.addedUs, keptUs) + " for recomputation" : "";
  verdict.append("  ·  " + ms(plan.once.us + plan.again.us) + " a " + plan.segment + again + " (estimate)");
  showBar();
}

function showBar() {
  const parts = [];
  if (plan.vram) parts.push(["reserve", plan.reserve, "var(--reserve)", 1]);
  plan.parts.forEach(([name, bytes], k) => parts.push([name, bytes, "var(--state)", 1 - 0.11 * k]));
  parts.push(["arena", plan.arena, "var(--kept)", 1]);
  const left = plan.budget ? plan.budget - plan.total : 0;
  const whole = Math.max(plan.vram || 0, parts.reduce((sum, part) => sum + part[1], 0));
  const bar = $("bar"), legend = $("parts");
  for (const [name, bytes, colour, alpha] of parts) {
    const block = element("i", { title: name + " " + mib(bytes) + " MiB" }), key = element("i");
    block.style.cssText = `width:${100 * bytes / whole}%;background:${colour};opacity:${alpha}`;
    key.style.cssText = `background:${colour};opacity:${alpha}`;
    if (bytes > 0) { bar.append(block); legend.append(element("li", {}, key, name + " " + mib(bytes))); }
  }
  if (plan.vram && plan.vram < whole) {
    const limit = element("span", { class: "limit", title: "end of the card" });
    limit.style.left = 100 * plan.vram / whole + "%";
    bar.append(limit);
  }
  if (plan.budget) legend.append(element("li", {}, left >= 0 ? "left " + mib(left) : "too much " + mib(-left)));
  bar.setAttribute("aria-label", parts.map(([name, bytes]) => name + " " + mib(bytes) + " MiB").join(", "));
}

function showClasses() {
  const list = $("classes");
  CLASSES.forEach((name, k) => {
    const key = element("i");
    key.style.background = "var(--" + name + ")";
    const count = buffers.filter((b) => b.kind === k).length;
    list.append(element("li", {}, key, name + " ", element("span", { class: "quiet" }, String(count))));
  });
  const state = element("i"), hole = element("i", { class: "hatched" });
  state.style.background = "var(--state)";
  list.append(element("li", {}, state, "weights and their state"), element("li", {}, hole, "free"));
}

// ---- one tensor -------------------------------------------------------------------------------

function whyKept(buffer) {
  const drop = buffer.drop, reader = steps[drop.to];
  const head = "Kept for " + reader.kernel.label + " (" + reader.kernel.place + "), which reads it going backward. ";
  if (!drop.possible) return head + "It cannot be computed again: "
    + (drop.obstacle ? drop.obstacle.label : "its maker") + " runs once only.";
  return head + "Dropping it would free " + mib(buffer.bytes) + " MiB for " + plural(Math.max(0, drop.to - drop.from), "step")
    + (drop.freesPeak ? ", the peak among them," : ", not at the peak,") + " and cost " + ms(drop.us) + " ("
    + percent(drop.us, keptUs, 2) + " of the step) for " + plural(drop.count, "kernel") + " more, all else unchanged.";
}
function why(buffer) {
  if (buffer.kind === 0) return whyKept(buffer);
  if (buffer.kind === 3) return "Scratch of one kernel, for one step.";
  const last = buffer.readers.length ? steps[buffer.readers[buffer.readers.length - 1]].kernel.label : "its maker";
  if (buffer.kind === 2) {
    const repeat = buffer.repeat;
    if (!repeat) return "Computed again.";
    return "Computed again for " + (buffer.readers.length ? steps[buffer.readers[0]].kernel.label : "nobody")
      + ": it costs " + ms(repeat.us) + " (" + percent(repeat.us, keptUs, 2) + " of the step) and frees "
      + mib(buffer.bytes) + " MiB from step " + repeat.droppedAt + " to " + (repeat.step - 1)
      + (repeat.freesPeak ? ", the peak among them." : ", not at the peak.");
  }
  const next = buffers.find((b) => b.kind === 2 && b.instance === buffer.instance + 1 && b.name === buffer.name + "#2");
  if (next) return "Dropped after " + last + " and computed again at step " + next.maker + ".";
  if (!buffer.readers.length) return "A result of the " + plan.segment + ".";
  return "Lives from its maker to its last reader, " + last + ".";
}

function tensorFields(buffer) {
  return fields(["class", chip(buffer.kind)], ["where", buffer.place],
    ["shape", buffer.shape ? buffer.shape.join(" × ") + " " + buffer.type : ""],
    ["bytes", buffer.bytes.toLocaleString("en") + "  (" + mib(buffer.bytes) + " MiB)"],
    ["padding", buffer.padding ? buffer.padding.toLocaleString("en") + " bytes" : "none"],
    ["address", buffer.address.toLocaleString("en")],
    ["steps", buffer.first + " to " + (buffer.end - 1)],
    ["made by", stepLink(buffer.maker)],
    ["last use", buffer.readers.length ? stepLink(buffer.readers[buffer.readers.length - 1]) : "none"],
    ["takes over", buffer.inPlaceOf >= 0 ? tensorLink(buffer.inPlaceOf) : ""],
    ["taken over by", buffer.takenBy >= 0 ? tensorLink(buffer.takenBy) : ""]);
}

function linkList(title, items, link) {
  const list = element("ul"), shown = items.slice(0, 24);
  for (const k of shown) list.append(element("li", {}, link(k)));
  if (items.length > shown.length) list.append(element("li", { class: "quiet" }, items.length - shown.length + " more"));
  return items.length ? [element("h3", {}, title), list] : [];
}

function pin(k, move) {
  pinned = k;
  chosenStep = -1;
  if (k >= 0 && move) reveal(buffers[k]);
  showDetail();
  markRows();
  redraw();
}
function reveal(buffer) {
  const inside = xOf(buffer.end) > view.x0 && xOf(buffer.first) < view.x1
    && buffer.address + buffer.bytes > view.y0 && buffer.address < view.y1;
  if (inside) return;
  const width = view.x1 - view.x0, height = view.y1 - view.y0;
  view.x0 = (xOf(buffer.first) + xOf(buffer.end) - width) / 2; view.x1 = view.x0 + width;
  view.y0 = buffer.address + buffer.bytes / 2 - height / 2; view.y1 = view.y0 + height;
}
function choose(s, move) {
  chosenStep = s;
  pinned = -1;
  if (move && (xOf(s) < view.x0 || xOf(s) > view.x1)) showStep(s, view.x1 - view.x0);
  showDetail();
  markRows();
  redraw();
}

function showDetail() {
  const detail = $("detail");
  detail.replaceChildren();
  if (pinned >= 0) {
    const buffer = buffers[pinned];
    detail.append(element("h3", { class: "mono" }, buffer.name), element("p", { class: "why" }, why(buffer)), tensorFields(buffer),
      ...linkList("Made from", makersOf(buffer), tensorLink), ...linkList("Read by", buffer.readers, stepLink));
    return;
  }
  const s = chosenStep >= 0 ? chosenStep : plan.peak, alive = aliveAt(s), step = steps[s];
  const total = loadAt(s), list = element("table");
  detail.append(element("h3", {}, (s === plan.peak ? "The peak, step " : "Step ") + s + " of " + steps.length),
    fields(["kernel", step.kernel.label + (step.again ? " (again)" : "")], ["where", step.kernel.place], ["code", step.kernel.code],
      ["estimate", ms(step.kernel.us)], ["alive", plural(alive.length, "tensor") + ", " + mib(total) + " MiB"]));
  list.append(element("tr", {}, element("th", {}, "alive"), element("th", { class: "number" }, "MiB"), element("th", { class: "number" }, "sum %")));
  let sum = 0;
  for (const buffer of alive.slice(0, 60)) {
    sum += buffer.bytes;
    const key = element("i");
    list.append(element("tr", {}, element("td", { class: "name" }, tensorLink(buffer.index)),
      element("td", { class: "number" }, mib(buffer.bytes)), element("td", { class: "number" }, (100 * sum / total).toFixed(1))));
  }
  detail.append(element("div", { class: "scroll" }, list));
  if (alive.length > 60) detail.append(element("p", { class: "quiet" }, alive.length - 60 + " smaller ones"));
}

function showTip(event) {
  const tip = $("tip");
  tip.hidden = hovered < 0;
  if (hovered < 0) return;
  const buffer = buffers[hovered];
  tip.replaceChildren(element("b", { class: "mono" }, buffer.name), fields(["class", chip(buffer.kind)], ["where", buffer.place],
    ["shape", buffer.shape ? buffer.shape.join(" × ") + " " + buffer.type : ""],
    ["size", mib(buffer.bytes) + " MiB" + (buffer.padding ? ", " + mib(buffer.padding) + " padding" : "")],
    ["made by", steps[buffer.maker].kernel.label + ", step " + buffer.maker],
    ["last use", buffer.readers.length ? steps[buffer.readers[buffer.readers.length - 1]].kernel.label + ", step " + (buffer.end - 1) : "none"],
    ["takes over", buffer.inPlaceOf >= 0 ? buffers[buffer.inPlaceOf].name : ""],
    ["taken over by", buffer.takenBy >= 0 ? buffers[buffer.takenBy].name : ""]));
  const x = Math.min(event.clientX + 16, innerWidth - tip.offsetWidth - 8);
  const y = event.clientY + 18 + tip.offsetHeight > innerHeight ? event.clientY - tip.offsetHeight - 12 : event.clientY + 18;
  tip.style.left = Math.max(4, x) + "px";
  tip.style.top = Math.max(4, y) + "px";
}

// ---- pointer and keys -------------------------------------------------------------------------

function hover(k, event) {
  if (k !== hovered) { hovered = k; drawOver(); }
  if (event) showTip(event);
}

function listenToMap() {
  let from = null;
  const over = map.over;
  over.addEventListener("pointerdown", (event) => {
    from = { x: event.offsetX, y: event.offsetY, view: { ...view }, moved: false, box: event.shiftKey };
    over.setPointerCapture(event.pointerId);
  });
  over.addEventListener("pointermove", (event) => {
    if (!from) { hover(bufferAt(event.offsetX, event.offsetY), event); return; }
    const dx = event.offsetX - from.x, dy = event.offsetY - from.y, b = map.box();
    from.moved ||= Math.abs(dx) + Math.abs(dy) > 4;
    if (!from.moved) return;
    hover(-1, event);
    if (from.box) {
      dragBox = { x: Math.min(from.x, event.offsetX), y: Math.min(from.y, event.offsetY), w: Math.abs(dx), h: Math.abs(dy) };
      drawOver();
      return;
    }
    const width = from.view.x1 - from.view.x0, height = from.view.y1 - from.view.y0;
    view.x0 = from.view.x0 - dx / b.w * width; view.x1 = view.x0 + width;
    view.y0 = from.view.y0 + dy / b.h * height; view.y1 = view.y0 + height;
    redraw();
  });
  over.addEventListener("pointerup", (event) => {
    if (from && !from.moved) pin(bufferAt(event.offsetX, event.offsetY), false);
    if (dragBox && dragBox.w > 4 && dragBox.h > 4)
      Object.assign(view, { x0: fromX(map, dragBox.x), x1: fromX(map, dragBox.x + dragBox.w),
        y0: fromY(map, dragBox.y + dragBox.h), y1: fromY(map, dragBox.y) });
    from = dragBox = null;
    redraw();
  });
  over.addEventListener("pointerleave", (event) => { if (!from) hover(-1, event); });
  over.addEventListener("dblclick", showAll);
  over.addEventListener("wheel", (event) => {
    event.preventDefault();
    const factor = Math.exp(Math.sign(event.deltaY || event.deltaX) * 0.18);
    zoom(factor, fromX(map, event.offsetX), fromY(map, event.offsetY), !event.altKey, !event.shiftKey);
  }, { passive: false });
  over.addEventListener("keydown", mapKey);
}

// Tensors in the order in which they begin.
const inOrder = [...buffers].sort((a, b) => a.first - b.first || a.address - b.address).map((b) => b.index);

function mapKey(event) {
  const width = view.x1 - view.x0, height = view.y1 - view.y0;
  const x = (view.x0 + view.x1) / 2, y = (view.y0 + view.y1) / 2;
  const move = (dx, dy) => { view.x0 += dx; view.x1 += dx; view.y0 += dy; view.y1 += dy; redraw(); };
  const walk = (by) => {
    const at = inOrder.indexOf(pinned), k = at < 0 ? (by > 0 ? 0 : inOrder.length - 1) : at + by;
    if (k >= 0 && k < inOrder.length) pin(inOrder[k], true);
  };
  const keys = {
    "+": () => zoom(0.7, x, y), "=": () => zoom(0.7, x, y), "-": () => zoom(1 / 0.7, x, y),
    ArrowLeft: () => move(-width / 8, 0), ArrowRight: () => move(width / 8, 0),
    ArrowUp: () => move(0, height / 8), ArrowDown: () => move(0, -height / 8),
    0: showAll, Home: showAll, p: () => { showStep(plan.peak, xEnd() / 12); choose(plan.peak, false); },
    "]": () => walk(1), "[": () => walk(-1), Enter: () => { if (hovered >= 0) pin(hovered, false); },
    Escape: () => { hover(-1); pin(-1, false); $("tip").hidden = true; },
  };
  const act = keys[event.key];
  if (!act || event.ctrlKey || event.metaKey) return;
  event.preventDefault();
  act();
}

function listenToLoad() {
  const over = load.over;
  let isDown = false;
  const at = (event) => choose(stepAt(fromX(load, event.offsetX)), false);
  over.addEventListener("pointerdown", (event) => { isDown = true; at(event); });
  over.addEventListener("pointermove", (event) => { if (isDown) at(event); });
  addEventListener("pointerup", () => { isDown = false; });
  over.addEventListener("keydown", (event) => {
    const by = { ArrowLeft: -1, ArrowRight: 1, PageUp: -10, PageDown: 10 }[event.key];
    const s = chosenStep >= 0 ? chosenStep : plan.peak;
    if (by) choose(Math.max(0, Math.min(steps.length - 1, s + by)), true);
    else if (event.key === "Home") choose(0, true);
    else if (event.key === "End") choose(steps.length - 1, true);
    else if (event.key === "p") choose(plan.peak, true);
    else return;
    event.preventDefault();
  });
}

// ---- sortable tables --------------------------------------------------------------------------

// columns: [title, value(row), cell(row) or null, is a number]
function sortable(table, columns, rows, options = {}) {
  const state = { by: options.by ?? 0, down: options.down ?? true, rows, limit: options.limit ?? Infinity };
  const head = element("tr"), body = element("tbody");
  columns.forEach(([title, , , isNumber], k) => head.append(element("th", { class: isNumber ? "number" : "", scope: "col" },
    element("button", { type: "button", onclick: () => {
      state.down = state.by === k ? !state.down : !!isNumber;
      state.by = k;
      show();
    } }, title))));
  table.replaceChildren(element("thead", {}, head), body);
  function show() {
    const value = state.by < 0 ? () => 0 : columns[state.by][1], sign = state.down ? -1 : 1;
    const sorted = state.rows.map((row, k) => [row, k]).sort(([a, i], [b, j]) => {
      const x = value(a), y = value(b);
      return x < y ? -sign : x > y ? sign : i - j;
    });
    body.replaceChildren(...sorted.slice(0, state.limit).map(([row]) => {
      const line = element("tr", options.row ? options.row(row) : {});
      for (const [, read, cell, isNumber] of columns)
        line.append(element("td", { class: isNumber ? "number" : cell === "name" ? "name" : "" },
          typeof cell === "function" ? cell(row) : String(read(row))));
      return line;
    }));
    [...head.children].forEach((cell, k) =>
      cell.setAttribute("aria-sort", k !== state.by ? "none" : state.down ? "descending" : "ascending"));
    options.shown?.(state.rows.length, Math.min(state.limit, state.rows.length));
  }
  show();
  return { show, state };
}

let tensors;
function markRows() {
  for (const row of $("tensors").querySelectorAll("tr[data-row]"))
    row.classList.toggle("pinned", Number(row.dataset.row) === pinned);
}
function showTensors() {
  tensors = sortable($("tensors"), [
    ["tensor", (b) => b.name, (b) => tensorLink(b.index)], ["class", (b) => b.kind, (b) => chip(b.kind)],
    ["shape", (b) => (b.shape ? b.shape.join("x") : ""), null], ["MiB", (b) => b.bytes, (b) => mib(b.bytes), true],
    ["padding", (b) => b.padding, (b) => mib(b.padding), true], ["address", (b) => b.address, null, true],
    ["first", (b) => b.first, null, true], ["last", (b) => b.end - 1, null, true],
    ["free if dropped", (b) => (b.drop && b.drop.possible ? b.bytes / Math.max(b.drop.us, 1e-3) : -1),
      (b) => (b.drop && b.drop.possible ? mib(b.bytes) + " MiB for " + ms(b.drop.us) : b.drop ? "runs once" : ""), true],
    ["line", (b) => b.place, null],
  ], buffers, { by: 3, limit: 100, row: (b) => ({ "data-row": b.index, class: b.index === pinned ? "pinned" : "" }),
    shown(found, shown) {
      $("found").textContent = found + " of " + buffers.length + ", " + mib(tensors ? tensors.state.rows.reduce((s, b) => s + b.bytes, 0)
        : buffers.reduce((s, b) => s + b.bytes, 0)) + " MiB";
      $("more").hidden = shown >= found;
      $("more").textContent = "show " + Math.min(500, found - shown) + " more of " + (found - shown);
    } });
  const filter = () => {
    const words = $("filter").value.toLowerCase().split(/\s+/).filter(Boolean), peakOnly = $("only-peak").checked;
    tensors.state.rows = buffers.filter((b) => {
      const line = [b.name, CLASSES[b.kind], b.place, b.shape ? b.shape.join("x") + " " + b.type : ""].join(" ").toLowerCase();
      return words.every((word) => line.includes(word)) && (!peakOnly || (b.first <= plan.peak && plan.peak < b.end));
    });
    tensors.state.limit = 100;
    tensors.show();
  };
  $("filter").addEventListener("input", filter);
  $("only-peak").addEventListener("change", filter);
  $("more").addEventListener("click", () => { tensors.state.limit += 500; tensors.show(); });
}

function showAgain() {
  if (!repeats.length && !(plan.rebuildUs > 0)) return;
  $("again-section").hidden = false;
  $("again-summary").textContent = (repeats.length ? plural(repeats.length, "kernel") + " of " + steps.length + " run again: +"
    + percent(plan.again.us, keptUs) + " time (estimate), +" + percent(plan.again.flops, plan.once.flops)
    + " FLOPs, +" + percent(plan.again.bytes, plan.once.bytes) + " memory traffic. " : "No kernel runs again. ")
    + (plan.rebuildUs > 0 ? "Readers that rebuild residual sums instead of loading them add " + percent(plan.rebuildUs, keptUs, 2) + ". " : "")
    + (plan.boundUs > 0 ? "No plan of these kernels within the budget adds less than " + percent(plan.boundUs, keptUs, 2) + " (proven)." : "");
  if (!repeats.length) return;
  sortable($("again"), [
    ["tensor", (r) => r.buffer.name, (r) => tensorLink(r.buffer.index)], ["step", (r) => r.step, (r) => stepLink(r.step)],
    ["cost", (r) => r.us, (r) => ms(r.us), true], ["frees MiB", (r) => r.buffer.bytes, (r) => mib(r.buffer.bytes), true],
    ["for steps", (r) => r.step - r.droppedAt, (r) => r.droppedAt + " to " + (r.step - 1), true],
    ["at the peak", (r) => r.freesPeak, (r) => (r.freesPeak ? "yes" : "")],
    ["for", (r) => (r.buffer.readers.length ? steps[r.buffer.readers[0]].kernel.label : ""), null],
  ], repeats, { by: 2, limit: 200 });
}

// ---- the curve of memory against time -----------------------------------------------------------

function showCurve() {
  if (!plan.curve || plan.curve.length < 2) return;
  $("curve-section").hidden = false;
  const points = [...plan.curve].sort((a, b) => a.total - b.total), slider = $("budget");
  const added = (p) => 100 * p.addedUs / (p.us - p.addedUs), bound = (p) => 100 * p.boundUs / (p.us - p.addedUs);
  const w = 900, h = 240, left = 52, right = 16, top = 12, bottom = 34;
  const least = points[0].total, most = points[points.length - 1].total;
  const low = least - 0.04 * (most - least), high = most + 0.04 * (most - least);
  const highest = Math.max(1, ...points.map(added)) * 1.1;
  const x = (bytes) => left + (bytes - low) / (high - low) * (w - left - right);
  const y = (value) => h - bottom - value / highest * (h - top - bottom);
  const figure = svg("svg", { viewBox: `0 0 ${w} ${h}`, role: "img", "aria-label": "added time over memory" });
  for (const t of ticks(low / MIB, high / MIB, 7)) figure.append(
    svg("line", { class: "axis", x1: x(t * MIB), x2: x(t * MIB), y1: top, y2: h - bottom }),
    svg("text", { x: x(t * MIB), y: h - bottom + 15, "text-anchor": "middle" }, t));
  for (const t of ticks(0, highest, 4)) figure.append(
    svg("line", { class: "axis", x1: left, x2: w - right, y1: y(t), y2: y(t) }),
    svg("text", { x: left - 7, y: y(t) + 4, "text-anchor": "end" }, +t.toFixed(2) + " %"));
  figure.append(svg("text", { x: (left + w - right) / 2, y: h - 3, "text-anchor": "middle" }, "MiB in all; added time, estimated"));
  const path = (value) => points.map((p, k) => (k ? "L" : "M") + x(p.total).toFixed(1) + " " + y(value(p)).toFixed(1)).join("");
  if (points.some((p) => p.boundUs > 0)) figure.append(svg("path", { d: path(bound), fill: "none", stroke: "var(--quiet)",
    "stroke-width": 1.5, "stroke-dasharray": "5 4" }));
  figure.append(svg("path", { d: path(added), fill: "none", stroke: "var(--recomputed)", "stroke-width": 2 }));
  if (plan.budget && plan.budget > low && plan.budget < high) figure.append(
    svg("line", { x1: x(plan.budget), x2: x(plan.budget), y1: top, y2: h - bottom, stroke: "var(--bad)", "stroke-dasharray": "6 4" }),
    svg("text", { x: x(plan.budget) - 5, y: top + 10, "text-anchor": "end" }, "budget"));
  const dots = points.map((p, k) => svg("circle", { cx: x(p.total), cy: y(added(p)), r: 5, fill: "var(--recomputed)", tabindex: -1 }));
  dots.forEach((dot, k) => { dot.style.cursor = "pointer"; dot.addEventListener("click", () => { slider.value = k; show(); }); });
  figure.append(...dots);
  $("curve").append(figure);
  function show() {
    const p = points[Number(slider.value)], again = p.again ? p.again.map(text) : [];
    dots.forEach((dot, k) => { dot.setAttribute("r", k === Number(slider.value) ? 8 : 5); });
    slider.setAttribute("aria-valuetext", mib(p.total) + " MiB, +" + added(p).toFixed(1) + " % time");
    const list = element("ul");
    for (const label of again.slice(0, 12)) list.append(element("li", { class: "mono" }, label));
    if (again.length > 12) list.append(element("li", { class: "quiet" }, again.length - 12 + " more"));
    $("budget-detail").replaceChildren(element("h3", {}, mib(p.total) + " MiB in all"),
      fields(["arena", mib(p.arena) + " MiB"], ["added time", "+" + added(p).toFixed(2) + " % (estimate)"],
        ["proven bound", p.boundUs > 0 ? bound(p).toFixed(2) + " %" : "none"], ["step", ms(p.us)],
        ["runs again", plural(p.repeats, "kernel")],
        ["budget", plan.budget ? (p.total <= plan.budget ? "within it" : mib(p.total - plan.budget) + " MiB above it") : ""]),
      ...(again.length ? [element("h3", {}, "Computed again, in order"), list] : []),
      copyLine(plan.planCommand + " --vram " + size(p.budget + (plan.reserve || 0)) + " --reserve "
        + size(plan.reserve || 0)));
  }
  slider.max = points.length - 1;
  const within = plan.budget ? points.filter((p) => p.total <= plan.budget).length - 1 : points.length - 1;
  slider.value = Math.max(0, within);
  slider.addEventListener("input", show);
  show();
}

function copyLine(command) {
  return element("p", {}, element("code", {}, command), " ", copyButton(command));
}
function copyButton(command) {
  const button = element("button", { type: "button", class: "copy", title: command, onclick: async () => {
    try { await navigator.clipboard.writeText(command); button.textContent = "copied"; }
    catch { prompt("copy:", command); }
    setTimeout(() => { button.textContent = "copy"; }, 1200);
  } }, "copy");
  return button;
}

// ---- what if ----------------------------------------------------------------------------------

function showWhatIf() {
  if (!plan.whatIf || !plan.whatIf.length) return;
  $("what-section").hidden = false;
  $("effective").value = plan.batch * plan.accumulate;
  const accumulation = (t) => Math.max(1, Math.ceil(Number($("effective").value) / t.batch));
  const image = (t) => (t.us + t.updateUs / accumulation(t)) / t.batch;
  const command = (t) => plan.trainCommand + (plan.vram ? " --vram " + size(plan.vram) + " --reserve " + size(plan.reserve) : "")
    + " --batch_size " + t.batch + " --gradient_accumulation_steps " + accumulation(t) + (t.noEma ? " --no_ema" : "");
  const columns = [
    ["batch", (t) => t.batch, null, true], ["accumulation", accumulation, null, true],
    ["recomputation", (t) => (t.keepAll ? 0 : 1), (t) => (t.keepAll ? "none" : "as needed")], ["EMA", (t) => (t.noEma ? 0 : 1), (t) => (t.noEma ? "no" : "yes")],
    ["MiB", (t) => t.total, (t) => mib(t.total), true],
    ["left", (t) => (plan.budget || 0) - t.total, (t) => (plan.budget ? mib(plan.budget - t.total) : ""), true],
    ["added time", (t) => t.addedUs / t.us, (t) => (t.addedUs > 0 ? "+" + percent(t.addedUs, t.us - t.addedUs) : ""), true],
    ["an image", image, (t) => ms(image(t)), true],
    ["verdict", (t) => (t.fits ? 1 : 0), (t) => (!plan.budget ? "" : t.fits ? "fits" : "does not fit")],
    ["command", command, (t) => (t.fits ? copyButton(command(t)) : "")],
  ];
  const table = sortable($("what"), columns, plan.whatIf, { by: 0, down: false, row: (t) => ({ class: t.fits ? "fits" : "misses" }) });
  const show = () => {
    table.state.rows = plan.whatIf.filter((t) => t.fits || !$("only-fits").checked);
    table.show();
  };
  $("effective").addEventListener("input", show);
  $("only-fits").addEventListener("change", show);
}

// ---- compared ---------------------------------------------------------------------------------

function showDifference() {
  const difference = plan.difference;
  if (!difference) return;
  $("difference-section").hidden = false;
  $("difference-heading").textContent = "Compared with " + difference.with;
  const shown = (row, value) => (row.unit === "bytes" ? mib(value) + " MiB" : row.unit === "ms" ? value.toFixed(2) + " ms" : String(value));
  sortable($("difference-totals"), [
    ["", (r) => r.name, null], ["there", (r) => r.there, (r) => shown(r, r.there), true], ["here", (r) => r.here, (r) => shown(r, r.here), true],
    ["change", (r) => r.here - r.there, (r) => (r.here > r.there ? "+" : "") + shown(r, r.here - r.there), true],
  ], difference.totals, { by: -1 });
  sortable($("difference"), [
    ["tensor", (r) => r.name, null], ["change", (r) => r.what, null], ["there MiB", (r) => r.there, (r) => mib(r.there), true],
    ["here MiB", (r) => r.here, (r) => mib(r.here), true], ["MiB", (r) => Math.abs(r.here - r.there), (r) => mib(r.here - r.there), true],
  ], difference.tensors, { by: 4, limit: 200 });
}

// ---- proof ------------------------------------------------------------------------------------

function showProof() {
  const gap = plan.segmentArena - plan.live;
  $("bounds").append(element("h3", {}, "Bounds of the arena"), fields(
    ["arena", mib(plan.segmentArena) + " MiB"],
    ["most alive at once", mib(plan.live) + " MiB: " + (gap === 0 ? "reached, no packing of this order is smaller"
      : "the arena is " + percent(gap, plan.live, 3) + " above it")],
    ["one kernel alone", mib(plan.floor) + " MiB: no order and no recomputation is smaller"],
    ["everything kept", mib(plan.keepAll) + " MiB: without recomputation"],
    ["added time", percent(plan.addedUs, keptUs, 2) + " (estimate)"
      + (plan.boundUs > 0 ? "; no plan within the budget adds less than " + percent(plan.boundUs, keptUs, 2) : "")]));
  $("stamp").append(element("h3", {}, "Checked, step by step, by a program that shares no code with the planner"), element("ul", {},
    element("li", {}, steps.length + " steps: each kernel runs once, or again where that is allowed"),
    element("li", {}, plan.reads.toLocaleString("en") + " reads: each byte is the one that its maker wrote last"),
    element("li", {}, buffers.length.toLocaleString("en") + " buffers: aligned, inside the arena, no two on the same bytes at the same time"),
    element("li", {}, plan.writes.toLocaleString("en") + " writes: none on weights, gradients or state but by those who may, in order"),
    element("li", {}, "the arena and its load are what is stated here, to the byte")),
    element("p", { class: "quiet" }, "Times are estimates from the card's rates. No number here was measured."));
}

// ---- start ------------------------------------------------------------------------------------

function listenToTools() {
  const acts = {
    in: () => zoom(0.6, (view.x0 + view.x1) / 2, (view.y0 + view.y1) / 2),
    out: () => zoom(1 / 0.6, (view.x0 + view.x1) / 2, (view.y0 + view.y1) / 2),
    all: showAll, peak: () => { showStep(plan.peak, xEnd() / 12); choose(plan.peak, false); },
  };
  for (const button of document.querySelectorAll("[data-map]")) button.addEventListener("click", acts[button.dataset.map]);
  $("by-time").addEventListener("change", (event) => {
    const a = stepAt(view.x0), b = stepAt(view.x1), whole = view.x0 === 0 && view.x1 === xEnd();
    byTime = event.target.checked;
    view.x0 = xOf(a); view.x1 = whole ? xEnd() : xOf(b + 1);
    redraw();
  });
  $("theme").addEventListener("click", () => {
    const root = document.documentElement, next = { "": "dark", dark: "light", light: "" }[root.dataset.theme || ""];
    if (next) root.dataset.theme = next; else delete root.dataset.theme;
    $("theme").textContent = "theme" + (next ? ": " + next : "");
    resize();
  });
}

showHead();
showClasses();
showTensors();
showAgain();
showCurve();
showWhatIf();
showDifference();
showProof();
showDetail();
listenToMap();
listenToLoad();
listenToTools();
addEventListener("resize", resize);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", resize);
resize();
