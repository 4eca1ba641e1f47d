"use strict";

/* From a drawing to pixels as in the data set. An image is {width, height, data}, data from 0 (paper) to 255 (ink).

   These are the steps by which `backprop predict` prepares an image file, with the rounding of Pillow. Thin lines need
   no widening here: the pen of the page is wide enough. */

const make = (width, height) => ({ width, height, data: new Uint8Array(width * height) });
const clip = v => Math.min(255, Math.max(0, v));

/* Round halves to even, as Python does: a symmetric drawing has its centre exactly between two pixels. */
function round(v) {
  const up = Math.round(v);
  return up - v === 0.5 && up % 2 ? up - 1 : up;
}

/* Return the image with the faintest pixels as paper, and 255 as its darkest; null if it is blank. */
function clean(image) {
  const strongest = image.data.reduce((a, b) => Math.max(a, b), 0);
  if (strongest < 16) return null;
  return { ...image, data: image.data.map(v => (v < 0.2 * strongest ? 0 : round((255 * v) / strongest))) };
}

/* Return the smallest rectangle that contains all ink. */
function cutOut({ width, height, data }) {
  let [left, top, right, bottom] = [width, height, -1, -1];
  data.forEach((v, k) => {
    if (!v) return;
    const x = k % width, y = (k - x) / width;
    [left, top, right, bottom] = [Math.min(left, x), Math.min(top, y), Math.max(right, x), Math.max(bottom, y)];
  });
  const cut = make(right - left + 1, bottom - top + 1);
  for (let y = 0; y < cut.height; y++) {
    const start = (top + y) * width + left;
    cut.data.set(data.subarray(start, start + cut.width), y * cut.width);
  }
  return cut;
}

const FILTERS = {
  box: { support: 0.5, weight: x => (x > -0.5 && x <= 0.5 ? 1 : 0) },
  bicubic: {
    support: 2,
    weight: t => {
      const x = Math.abs(t);
      return x < 1 ? (1.5 * x - 2.5) * x * x + 1 : x < 2 ? ((-0.5 * x + 2.5) * x - 4) * x + 2 : 0;
    },
  },
};

/* Return, for each of `to` pixels, where its source begins among `from` pixels, and the weights of these. */
function weights(from, to, { support, weight }) {
  const scale = from / to, stretch = Math.max(scale, 1), reach = support * stretch;
  return Array.from({ length: to }, (_, k) => {
    const centre = (k + 0.5) * scale;
    const first = Math.max(0, Math.trunc(centre - reach + 0.5)), last = Math.min(from, Math.trunc(centre + reach + 0.5));
    const raw = Array.from({ length: last - first }, (_, i) => weight((first + i - centre + 0.5) / stretch));
    const sum = raw.reduce((a, b) => a + b, 0);
    return { first, factors: raw.map(v => v / sum) };
  });
}

/* Return the image resized, first along its rows, then along its columns. */
function resize(image, width, height, filter) {
  const wide = make(width, image.height), result = make(width, height);
  weights(image.width, width, filter).forEach(({ first, factors }, x) => {
    for (let y = 0; y < image.height; y++) {
      const start = y * image.width + first;
      wide.data[y * width + x] = clip(Math.round(factors.reduce((sum, w, i) => sum + w * image.data[start + i], 0)));
    }
  });
  weights(image.height, height, filter).forEach(({ first, factors }, y) => {
    for (let x = 0; x < width; x++) {
      const sum = factors.reduce((s, w, i) => s + w * wide.data[(first + i) * width + x], 0);
      result.data[y * width + x] = clip(Math.round(sum));
    }
  });
  return result;
}

/* Return the image with a longer side of that length, the same aspect ratio, and 255 as its darkest pixel. */
function fit(image, length) {
  const scale = length / Math.max(image.width, image.height);
  const [width, height] = [image.width, image.height].map(side => Math.max(1, round(scale * side)));
  const resized = resize(image, width, height, scale < 1 ? FILTERS.box : FILTERS.bicubic);
  const darkest = Math.max(1, resized.data.reduce((a, b) => Math.max(a, b), 0));
  return { ...resized, data: resized.data.map(v => round((255 * v) / darkest)) };
}

/* Return where an image starts along an axis of so many pixels, so that its centre of mass is in the middle. */
function start(masses, length) {
  const total = masses.reduce((a, b) => a + b, 0), moment = masses.reduce((sum, m, k) => sum + m * k, 0);
  return Math.min(Math.max(0, round(length / 2 - moment / total)), length - masses.length);
}

/* MNIST: 20 x 20 pixels in 28 x 28, the centre of mass in the centre. */
function asMnist(image) {
  const digit = fit(cutOut(image), 20), field = make(28, 28);
  const columns = new Array(digit.width).fill(0), rows = new Array(digit.height).fill(0);
  digit.data.forEach((v, k) => { columns[k % digit.width] += v; rows[Math.floor(k / digit.width)] += v; });
  const left = start(columns, 28), top = start(rows, 28);
  for (let y = 0; y < digit.height; y++) {
    field.data.set(digit.data.subarray(y * digit.width, (y + 1) * digit.width), (top + y) * 28 + left);
  }
  return field.data;
}

/* Return the image sheared along its rows until the covariance of x and y of its ink is 0. */
function upright({ width, height, data }) {
  let [mass, sumX, sumY, sumYY, sumXY] = [0, 0, 0, 0, 0];
  data.forEach((v, k) => {
    const x = k % width, y = (k - x) / width;
    mass += v; sumX += v * x; sumY += v * y; sumYY += v * y * y; sumXY += v * x * y;
  });
  const spread = sumYY - (sumY * sumY) / mass;
  const slant = spread ? (sumXY - (sumX * sumY) / mass) / spread : 0;
  const room = Math.trunc(Math.abs(slant) * height) + 2;
  const result = make(width + 2 * room, height);
  for (let y = 0; y < height; y++) {
    const pixel = x => data[y * width + Math.min(width - 1, Math.max(0, x))];
    for (let x = 0; x < result.width; x++) {
      const from = x + 0.5 + slant * (y + 0.5) - room - (slant * height) / 2;
      if (from < 0 || from >= width) continue;
      const left = Math.floor(from - 0.5), d = from - 0.5 - left;
      const [a, b, c, e] = [-1, 0, 1, 2].map(k => pixel(left + k));
      const v = b + d * (c - a + d * (2 * (a - b) + c - e + d * (b - a + e - c)));
      result.data[y * result.width + x] = v < 16 ? 0 : clip(Math.trunc(v));
    }
  }
  return cutOut(result);
}

/* digits: upright, 32 rows and at most 20 columns of black or white, counted in blocks of 4 x 4. */
function asDigits(image) {
  const digit = upright(fit(cutOut(image), 128));
  const width = Math.min(20, Math.max(1, round((32 * digit.width) / digit.height)));
  const bitmap = resize(digit, width, 32, FILTERS.box), left = Math.floor((32 - width) / 2), counts = new Uint8Array(64);
  bitmap.data.forEach((v, k) => {
    const x = left + (k % width), y = Math.floor(k / width);
    if (v >= 128) counts[8 * Math.floor(y / 4) + Math.floor(x / 4)] += 1;
  });
  return counts;
}

/* Any other data set of images: the whole drawing, ink being the value that is scaled to 1. */
function asIs(image, network) {
  const [height, width] = network.image;
  return Array.from(resize(image, width, height, FILTERS.box).data, v => v / 255 / network.scale);
}

const PREPARE = { mnist: asMnist, digits: asDigits };

/* Return a drawing as an input of the network, null if it is blank. */
function prepare(network, drawing) {
  const image = clean(drawing);
  return image && Float32Array.from((PREPARE[network.dataset] ?? asIs)(image, network));
}
