// Uses the page as a person would and writes what it sees into an element "seen", one "name value" a line.
// page.sh appends it to a page and compares with the JSON.
const seen = [];
const see = (name, value) => seen.push(name + " " + value);
const press = (target, key) => target.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true }));
const input = (target, value) => { target.value = value; target.dispatchEvent(new Event("input", { bubbles: true })); };
const rows = (table) => [...document.querySelectorAll(table + " tbody tr")];
const cells = (table, column) => rows(table).map((row) => row.children[column].textContent);
const header = (table, title) => [...document.querySelectorAll(table + " th button")].find((b) => b.textContent === title);

// A pointer that the browser does not know of cannot be captured.
map.over.setPointerCapture = () => {};
function point(type, x, y, more = {}) {
  const box = map.over.getBoundingClientRect();
  map.over.dispatchEvent(new PointerEvent(type, { clientX: box.left + x, clientY: box.top + y, bubbles: true, pointerId: 1, ...more }));
}
function pixel(x, y) {
  const ratio = map.base.width / map.width;
  return [...map.base.getContext("2d").getImageData(Math.round(x * ratio), Math.round(y * ratio), 1, 1).data].slice(0, 3).join(",");
}

function drive() {
  see("elements", document.querySelectorAll("*").length);
  see("verdict", $("verdict").textContent);
  see("buffers", buffers.length);
  see("steps", steps.length);
  const highest = steps.reduce((most, step) => Math.max(most, loadAt(step.index)), 0);
  see("load", highest);
  see("load_at_peak", loadAt(plan.peak));
  see("alive", aliveAt(plan.peak).length);
  see("top", Math.max(...buffers.map((b) => b.offset + b.bytes)));
  see("collisions", buffers.filter((a, k) => buffers.some((b, i) => i > k && a.first < b.end && b.first < a.end
    && a.address < b.address + b.bytes && b.address < a.address + a.bytes)).length);
  see("parts", plan.parts.reduce((sum, part) => sum + part[1], 0) === plan.persistent);
  see("recomputed", buffers.filter((b) => b.kind === 2).length);
  see("peak_shown", $("detail").textContent.includes("The peak, step " + plan.peak + " of " + steps.length));

  // the table: filter, sort, more
  input($("filter"), "bn1.stats");
  see("found", $("found").textContent.split(",")[0]);
  input($("filter"), "");
  header("#tensors", "MiB").click();
  see("smallest", cells("#tensors", 3)[0]);
  header("#tensors", "MiB").click();
  see("largest", cells("#tensors", 3)[0]);
  const before = rows("#tensors").length;
  $("more").click();
  see("more", rows("#tensors").length > before);
  $("only-peak").click();
  see("peak_rows", $("found").textContent.split(" ")[0]);
  $("only-peak").click();

  // the map: colours, a click, keys, the wheel
  showAll();
  drawAll();
  const large = buffers.filter((b) => b.kind === 0).sort((a, b) => b.bytes * (b.end - b.first) - a.bytes * (a.end - a.first))[0];
  Object.assign(view, { x0: large.first, x1: large.end, y0: large.address, y1: large.address + large.bytes });
  drawAll();
  const r = rectangle(large), x = r.x + r.w * 0.9, y = r.y + r.h * 0.8;
  see("colour", pixel(x, y));
  point("pointermove", x, y);
  see("tip", !$("tip").hidden && $("tip").textContent.startsWith(large.name));
  point("pointerdown", x, y);
  point("pointerup", x, y);
  see("pinned", $("detail").firstChild.textContent === large.name && $("detail").textContent.includes("Kept for"));
  press(map.over, "0");
  const width = view.x1 - view.x0;
  map.over.dispatchEvent(new WheelEvent("wheel", { deltaY: -100, cancelable: true, clientX: 400, clientY: 300 }));
  see("zoomed", view.x1 - view.x0 < width);
  press(map.over, "0");
  press(map.over, "Escape");
  press(map.over, "]");
  press(map.over, "]");
  see("walked", pinned === inOrder[1]);
  press(map.over, "p");
  see("chosen", chosenStep === plan.peak && pinned === -1);
  press(load.over, "ArrowRight");
  see("next_step", chosenStep === plan.peak + 1 && $("detail").textContent.includes("Step " + (plan.peak + 1)));
  $("by-time").click();
  see("by_time", Math.abs(xEnd() - plan.once.us - plan.again.us) < 1);
  $("theme").click();
  see("theme", document.documentElement.dataset.theme);

  // the curve and its slider
  if (!$("curve-section").hidden) {
    const slider = $("budget");
    input(slider, slider.max);
    see("curve_most", $("budget-detail").querySelector("h3").textContent);
    input(slider, 0);
    see("curve_least", $("budget-detail").querySelector("h3").textContent);
    see("curve_command", $("budget-detail").querySelector("code").textContent);
    see("curve_points", Number(slider.max) + 1);
  }

  // what if
  if (!$("what-section").hidden) {
    for (const row of rows("#what").slice(0, 6))
      see("what", [...row.children].slice(0, 5).map((cell) => cell.textContent).join(" ").replace(/\s+/g, " "));
    see("what_command", rows("#what")[0].querySelector("button").title);
    input($("effective"), "24");
    see("accumulation", cells("#what", 1)[0]);
  }
  if (plan.difference) {
    see("difference_totals", rows("#difference-totals").length);
    see("difference_rows", rows("#difference").length);
    see("difference_first", cells("#difference", 0)[0] + " " + cells("#difference", 1)[0]);
  }
  const unnamed = [...document.querySelectorAll("button, input")].filter((node) => !node.textContent.trim() && !node.title
    && !node.closest("label") && !node.getAttribute("aria-label"));
  see("unnamed", unnamed.length);
  see("outside", performance.getEntriesByType("resource").length);
}

addEventListener("load", () => {
  try { drive(); } catch (error) { faults.push(error.stack); }
  see("faults", faults.length + " " + faults.join(" | "));
  const pre = document.createElement("pre");
  pre.id = "seen";
  pre.textContent = seen.join("\n");
  document.body.append(pre);
});
