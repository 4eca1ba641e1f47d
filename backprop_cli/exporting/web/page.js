"use strict";

const byId = id => document.getElementById(id);
const network = load(JSON.parse(byId("network").textContent));
const { classes, columns, image, reconstructs, sizes, targets } = network;
const outputs = network.steps.at(-1).size, drawn = image && reconstructs; // outputs that are an image

function element(parent, tag, properties = {}) {
  return parent.appendChild(Object.assign(document.createElement(tag), properties));
}

const short = v => (Math.abs(v) < 1e4 ? v.toFixed(3) : v.toExponential(2));
const compact = v => String(Number(v.toPrecision(5)));

/* Outputs: a row for each, with a bar where there are classes; none where they are an image. */
const perClass = classes.length && !network.decoder;
const outputName = k => (classes.length ? null : targets[k]) ?? `output ${k + 1}`;
const rows = Array.from({ length: drawn ? 0 : outputs }, (_, k) => {
  const row = element(byId("outputs"), "tr");
  element(row, "th", { scope: "row", textContent: perClass ? classes[k] : outputName(k) });
  return { row, bar: element(element(row, "td"), "div", { className: "bar" }), value: element(row, "td") };
});

/* The squared error of a reconstruction, as in training. */
const squaredError = signals => signals[0].reduce((sum, x, k) => sum + (signals[network.steps.length][k] - x) ** 2, 0);

function answerOf(signals, label) {
  if (reconstructs) return `squared error ${compact(squaredError(signals))}`;
  if (classes.length) return classes[label];
  return outputs > 8 ? `${outputs} outputs` : Array.from(signals.at(-1), compact).join(", ");
}

function showOutputs(signals) {
  const output = signals?.at(-1);
  const most = Math.max(1, ...(output ?? []).map(Math.abs));
  const label = output && classes.length ? predict(network, output) : -1;
  const text = output ? answerOf(signals, label) : "–";
  if (byId("answer").textContent !== text) byId("answer").textContent = text; // screen readers announce a change
  rows.forEach(({ row, bar, value }, k) => {
    row.className = perClass && k === label ? "best" : "";
    bar.style.width = output ? `${(100 * Math.max(0, output[k])) / most}%` : "0";
    value.textContent = output ? (network.rescale ? compact : short)(output[k]) : "";
  });
}

/* A canvas for the numbers of a layer, a pixel for each, shown as a cell of so many pixels of the screen. */
function picture(caption, count, width, cell, parent = byId("layers")) {
  const figure = element(parent, "figure");
  const canvas = element(figure, "canvas", { width, height: Math.ceil(count / width) });
  canvas.style.width = `${cell * width}px`;
  canvas.setAttribute("role", "img");
  const line = element(figure, "figcaption");
  return values => {
    const context = canvas.getContext("2d");
    context.clearRect(0, 0, canvas.width, canvas.height);
    let low = Infinity, high = -Infinity;
    for (const v of values ?? []) { low = Math.min(low, v); high = Math.max(high, v); }
    const most = Math.max(1, Math.abs(low), Math.abs(high));
    const style = getComputedStyle(document.documentElement);
    const colours = ["--negative", "--positive"].map(name => style.getPropertyValue(name));
    values?.forEach((v, k) => {
      context.globalAlpha = Math.abs(v) / most;
      context.fillStyle = colours[v > 0 ? 1 : 0];
      context.fillRect(k % width, Math.floor(k / width), 1, 1);
    });
    const range = low < high ? `${short(low)} to ${short(high)}` : short(low);
    line.textContent = values ? `${caption}, ${range}` : caption;
    canvas.setAttribute("aria-label", line.textContent);
  };
}

const grid = n => {
  const width = n <= 40 ? n : Math.min(80, Math.ceil(Math.sqrt(4 * n)));
  return [n, width, Math.max(4, Math.min(22, Math.floor(880 / width)))];
};
const prepared = { standardize: ", scaled", cut: ", 0 or 1" }[network.prepare?.operation];
const scaled = prepared ?? (network.scale === 1 ? "" : ", scaled");
const small = image && [image[0] * image[1], image[1], 112 / image[1]];
const pictures = [
  image
    ? [0, picture(`input: ${image[0]} x ${image[1]} pixels${scaled}`, ...small)]
    : [0, picture(`inputs: ${network.inputs}${scaled}`, ...grid(network.inputs))],
];
network.steps.forEach((step, k) => {
  if (!Object.keys(step.arrays).length) return;
  const units = `${step.size} ${step.size > 1 ? "units" : "unit"}, ${network.steps[k + 1].operation}`;
  const shape = drawn && k === network.steps.length - 2 ? small : grid(step.size);
  pictures.push([k + 2, picture(`layer ${pictures.length}: ${units}`, ...shape)]);
});

/* Beside each other: what the network is given, and its reconstruction. */
if (drawn) {
  const beside = caption => picture(caption, outputs, image[1], 200 / image[1], byId("images"));
  pictures.push([0, beside("input")], [network.steps.length, beside("reconstruction")]);
}

let latest = null;

/* Run the network on an input in the units of the data set, null if there is none, and show everything. */
function update(x = latest) {
  latest = x;
  const signals = x && forward(network, x);
  showOutputs(signals);
  for (const [k, show] of pictures) show(signals?.[k]);
}

/* Draw images with a mouse, a pen or a finger; the ink is the opacity of the canvas. */
function setUpDrawing() {
  const paper = byId("paper"), context = paper.getContext("2d", { willReadFrequently: true });
  let last = null, waiting = false;
  const colour = () => getComputedStyle(document.documentElement).getPropertyValue("--ink");
  const refresh = () => {
    waiting = false;
    const { width, height, data } = context.getImageData(0, 0, paper.width, paper.height);
    update(prepare(network, { width, height, data: Uint8Array.from({ length: width * height }, (_, k) => data[4 * k + 3]) }));
  };
  const request = () => {
    if (!waiting) requestAnimationFrame(refresh);
    waiting = true;
  };
  const place = event => {
    const box = paper.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top].map(v => (v * paper.width) / box.width);
  };
  const line = (from, to) => {
    Object.assign(context, { lineWidth: 24, lineCap: "round", lineJoin: "round", strokeStyle: colour() });
    context.beginPath();
    context.moveTo(...from);
    context.lineTo(...to);
    context.stroke();
    request();
  };
  paper.addEventListener("pointerdown", event => {
    if (event.button || !event.isPrimary) return;
    event.preventDefault();
    paper.setPointerCapture(event.pointerId);
    last = place(event);
    line(last, last);
  });
  paper.addEventListener("pointermove", event => {
    if (!last || !event.isPrimary) return;
    for (const part of event.getCoalescedEvents?.() ?? [event]) {
      const next = place(part);
      line(last, next);
      last = next;
    }
  });
  for (const name of ["pointerup", "pointercancel"]) paper.addEventListener(name, () => { last = null; });
  const clear = () => {
    context.clearRect(0, 0, paper.width, paper.height);
    request();
  };
  byId("clear").addEventListener("click", clear);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => { // the ink drawn so far changes too
    context.globalCompositeOperation = "source-in";
    context.fillStyle = colour();
    context.fillRect(0, 0, paper.width, paper.height);
    context.globalCompositeOperation = "source-over";
    update();
  });
  byId("draw").hidden = false;
  update(null);
}

/* A slider and a field for each input; typing a number beyond the slider widens it. */
function setUpFields() {
  const x = new Float32Array(network.inputs);
  x.forEach((_, k) => {
    const label = element(byId("fields"), "label", { className: "field" });
    element(label, "span", { textContent: `input ${k + 1}` });
    const slider = element(label, "input", { type: "range", min: -2, max: 2, step: 0.01, value: 0 });
    const number = element(label, "input", { type: "number", step: "any", value: 0 });
    for (const input of [slider, number]) input.setAttribute("aria-label", `input ${k + 1}`);
    const set = (from, to) => () => {
      const value = Number(from.value);
      if (from.value === "" || !Number.isFinite(value)) return;
      [slider.min, slider.max] = [Math.min(slider.min, value), Math.max(slider.max, value)];
      to.value = value;
      x[k] = value;
      update(x);
    };
    slider.addEventListener("input", set(slider, number));
    number.addEventListener("input", set(number, slider));
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => update());
  byId("fields").hidden = false;
  update(x);
}

/* A nice number that is at most v: 1, 2 or 5 times a power of ten. */
function nice(v) {
  const power = 10 ** Math.floor(Math.log10(v));
  return power * [5, 2, 1].find(digit => digit * power <= v * (1 + 1e-9));
}

/* A slider, a field and "no value" for a column of numbers; set(value) is called with a number, or null. */
function numberField(parent, { name, fill, center, scale, low, high }, set) {
  [low, high] = [low ?? center - 3 * scale, high ?? center + 3 * scale];
  const step = high > low ? nice((high - low) / 200) : 1;
  const start = Number((Math.round((fill ?? center) / step) * step).toPrecision(12));
  const slider = element(parent, "input", { type: "range", min: Math.min(low, start), max: Math.max(high, start), step: "any" });
  const number = element(parent, "input", { type: "number", step: "any" });
  const missing = fill === null ? null : element(element(parent, "label", { className: "missing" }), "input", { type: "checkbox" });
  missing?.after("no value");
  for (const input of [slider, number]) input.setAttribute("aria-label", name);
  missing?.setAttribute("aria-label", `${name}: no value`);
  const refresh = () => {
    slider.disabled = number.disabled = Boolean(missing?.checked);
    set(missing?.checked ? null : Number(number.value));
  };
  slider.addEventListener("input", () => {
    number.value = Number((Math.round(slider.value / step) * step).toPrecision(12));
    refresh();
  });
  number.addEventListener("input", () => {
    if (number.value === "") return;
    [slider.min, slider.max] = [Math.min(slider.min, number.value), Math.max(slider.max, number.value)];
    slider.value = number.value;
    refresh();
  });
  missing?.addEventListener("input", refresh);
  slider.value = number.value = start;
  refresh();
}

/* A list of the words of a column; any other word, or no value, is null. */
function wordField(parent, { name, categories }, set) {
  const select = element(parent, "select");
  select.setAttribute("aria-label", name);
  const known = categories.filter(word => word !== "");
  known.forEach(word => element(select, "option", { textContent: word }));
  element(select, "option", { textContent: known.length < categories.length ? "(no value)" : "(none of these)" });
  const refresh = () => set(known[select.selectedIndex] ?? null);
  select.addEventListener("input", refresh);
  refresh();
}

/* The columns of a table, each with what sets its value. */
function setUpColumns() {
  const row = columns.map(() => null);
  let ready = false;
  const show = () => { if (ready) update(encode(network, row)); };
  columns.forEach((column, k) => {
    const field = element(byId("fields"), "div", { className: "field column" });
    element(field, "span", { textContent: column.name });
    (column.categories ? wordField : numberField)(field, column, value => { row[k] = value; show(); });
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => update());
  document.body.classList.add("table");
  byId("fields").hidden = false;
  ready = true;
  show();
}

const task = !image ? "Set the inputs" : PREPARE[network.dataset] ? "Draw a digit" : "Draw an image";
byId("title").textContent = task;
const table = `${columns.length} columns of a table`, columnTask = reconstructs ? `reconstructs ${table}` : `predicts ${targets.join(", ")} from ${table}`;
const about = columns.length ? ` that ${columnTask}` : `${reconstructs ? " that reconstructs its inputs" : ""}, trained on ${network.dataset}`;
byId("about").textContent = `A ${sizes} network${about}. It runs in this page; nothing is sent anywhere.`;
document.title = `${columns.length && !reconstructs ? targets.join(", ") : network.dataset} ${sizes}`;
(image ? setUpDrawing : columns.length ? setUpColumns : setUpFields)();
