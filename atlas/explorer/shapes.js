// The data of the page, and any shape of the model from it.

/** Words and arrays of the page: base64, zlib, little-endian typed arrays. */
async function readContent(text) {
  const content = JSON.parse(text);
  const { data, bytes, index } = content.arrays;
  const packed = Uint8Array.from(atob(data), (letter) => letter.charCodeAt(0));
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("deflate"));
  const buffer = await new Response(stream).arrayBuffer();
  if (buffer.byteLength !== bytes) throw new Error(`arrays: expected ${bytes} bytes`);
  const types = { float32: Float32Array, uint16: Uint16Array, uint32: Uint32Array };
  content.arrays = {};
  for (const [name, entry] of Object.entries(index)) {
    const count = entry.shape.reduce((a, b) => a * b, 1);
    content.arrays[name] = new types[entry.type](buffer, entry.start, count);
  }
  return content;
}

/** What makes landmarks, surfaces and measures of scores in SD. */
function shapeMaker(content) {
  const { arrays, structures } = content;
  const { mean, modes } = arrays;
  const size = mean.length;
  const dura = structures.find((structure) => structure.name === "dura");
  const tubes = new Map(
    structures.map((s) => [s.name, s.level ? rootTube(s) : wallTube(s, arrays)]),
  );
  const landmarks = (scores) => {
    const points = Float64Array.from(mean);
    scores.forEach((score, k) => {
      if (score === 0) return;
      const first = k * size;
      for (let i = 0; i < size; i++) points[i] += score * modes[first + i];
    });
    return points;
  };
  const walls = new Map(
    structures.filter((s) => !s.level).map((s) => [s.name, wallBasis(s, tubes.get(s.name), arrays)]),
  );
  /** Write the vertices of structures into `out(name)`; names of those that fold come back. */
  const surfaces = (scores, names, out) => {
    const points = landmarks(scores);
    const axes = sacAxes(dura, points);
    return names.filter((name) => {
      if (!walls.has(name)) return tubes.get(name)(points, axes, out(name)) !== null;
      writeSum(walls.get(name), scores, out(name));
      return false;
    });
  };
  return { landmarks, surfaces, measures: (points) => measuresOf(structures, points) };
}

/** Vertices of a wall at the mean, then their displacements by each mode at +1 SD: all is linear. */
function wallBasis(structure, tube, { mean, modes }) {
  const rows = 1 + modes.length / mean.length;
  return Array.from({ length: rows }, (_, k) => {
    const points = k ? modes.subarray((k - 1) * mean.length, k * mean.length) : mean;
    const vertices = new Float64Array(3 * structure.vertices);
    tube(Float64Array.from(points), vertices);
    return vertices;
  });
}

/** Write the first of some rows plus the others by their scores. */
function writeSum([first, ...others], scores, out) {
  const moved = others.map((row, k) => [row, scores[k] ?? 0]).filter(([, score]) => score !== 0);
  for (let i = 0; i < out.length; i++) {
    let sum = first[i];
    for (const [row, score] of moved) sum += score * row[i];
    out[i] = sum;
  }
}

/** Random numbers from a seed, so that a draw can be had again (mulberry32). */
function seeded(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

/**
 * Scores of a random plausible shape: standard normal, drawn again until they lie within a radius
 * and each within `most` SD.
 */
function plausibleScores(count, radius, most, seed) {
  const random = seeded(seed);
  // Box & Muller 1958, doi:10.1214/aoms/1177706645; 1 - random() is never 0.
  const normal = () => Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
  for (;;) {
    const scores = Array.from({ length: count }, normal);
    if (Math.hypot(...scores) <= radius && scores.every((s) => Math.abs(s) <= most)) return scores;
  }
}
