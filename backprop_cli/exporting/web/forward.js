"use strict";

/* Every operation of the network: from its input x, a Float32Array, and its arrays to its output. */
const OPERATIONS = {
/* operations */};

/* Decode the arrays of a network: base64 of little-endian float32. */
function load(network) {
  const floats = text => new Float32Array(Uint8Array.from(atob(text), c => c.charCodeAt(0)).buffer);
  for (const step of [...network.steps, ...(network.decoder ? [network.decoder] : [])]) {
    step.arrays = Object.fromEntries(Object.entries(step.arrays).map(([name, text]) => [name, floats(text)]));
  }
  return network;
}

/* Return the scaled input and the output of each step, for an input x in the units of the data set. */
function forward(network, x) {
  const signals = [x.map(v => v * network.scale)];
  for (const step of network.steps) signals.push(OPERATIONS[step.operation](signals.at(-1), step.arrays));
  return signals;
}

/* Return the index of the predicted class, given the output of the network. */
function predict(network, output) {
  const { decoder } = network;
  const scores = decoder ? OPERATIONS[decoder.operation](output, decoder.arrays) : output;
  return scores.indexOf(Math.max(...scores));
}
