"use strict";

/* Every operation of the network: from its input x, a Float32Array, and its arrays to its output. */
const OPERATIONS = {
/* operations */};

/* Decode the arrays of a network: base64 of little-endian float32. */
function load(network) {
  const floats = text => new Float32Array(Uint8Array.from(atob(text), c => c.charCodeAt(0)).buffer);
  const { prepare, steps, rescale, decoder } = network;
  for (const step of [prepare, ...steps, rescale, decoder].filter(Boolean)) {
    step.arrays = Object.fromEntries(Object.entries(step.arrays).map(([name, text]) => [name, floats(text)]));
  }
  return network;
}

/* Return the inputs of the network for a row of a table: for each column a number, a word, or null for no value. */
function encode(network, row) {
  return Float64Array.from(network.columns.flatMap(({ categories }, k) =>
    categories ? categories.map(word => Number(word === (row[k] ?? ""))) : [row[k] ?? NaN]));
}

/* Return the scaled input and the output of each step, for an input x in the units of the data set; last, the output
   in these units. */
function forward(network, x) {
  const apply = (step, x) => OPERATIONS[step.operation](x, step.arrays);
  const { prepare, rescale } = network;
  const signals = [prepare ? apply(prepare, x) : x.map(v => v * network.scale)];
  for (const step of network.steps) signals.push(apply(step, signals.at(-1)));
  return rescale ? [...signals, apply(rescale, signals.at(-1))] : signals;
}

/* Return the index of the predicted class, given the output of the network. */
function predict(network, output) {
  const { decoder } = network;
  const scores = decoder ? OPERATIONS[decoder.operation](output, decoder.arrays) : output;
  return scores.indexOf(Math.max(...scores));
}
