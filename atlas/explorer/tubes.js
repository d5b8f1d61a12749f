// Surfaces of an anatomy: the mathematics of atlas.mesh.surfaces.tubes, vertex by vertex.

/** How far vertices stand off a round tube of radius 1 so that it keeps its volume. */
function chordExcess(count) {
  const s = Math.sin(Math.PI / count);
  const c = Math.cos(Math.PI / count);
  return Math.sqrt((3 * Math.PI) / (count * s * (1 + 2 * c)));
}

/**
 * Vertices of a wall through rings, a function of the landmarks that writes doubles into `out`.
 *
 * Everything is linear in the rings: of each ring of vertices the weights of the landmarks of its
 * track (the stack at its place), of a round tip those of the slope there too.
 */
function wallTube(structure, arrays) {
  const { rings, around: n } = structure.landmarks;
  const { places, tip } = structure.layout;
  const steps = rings - 1;
  const along = alongWeights(rings, places.map((place) => place * steps));
  const slope = alongWeights(rings, [steps], hermiteRates).map((weight) => weight * steps);
  const parts = wallParts(structure, arrays, n);
  const tracks = new Float64Array(places.length * n * 3);
  const slopes = new Float64Array(n * 3);
  const first = 3 * structure.landmarks.start;
  return (points, out) => {
    const block = points.subarray(first, first + rings * n * 3);
    multiply(along, block, places.length, rings, n * 3, tracks);
    if (tip) multiply(slope, block, 1, rings, n * 3, slopes);
    let at = 0;
    for (const { track, weights, onSlope } of parts) {
      const ring = tracks.subarray(track * n * 3, (track + 1) * n * 3);
      const count = weights.length / n;
      const target = out.subarray(at, at + count * 3);
      multiply(weights, ring, count, n, 3, target);
      if (onSlope) {
        const leaning = multiply(onSlope, slopes, count, n, 3, new Float64Array(count * 3));
        leaning.forEach((value, i) => (target[i] += value));
      }
      at += count * 3;
    }
  };
}

/** Weights of all vertices of a wall: its rings, the rostral cap, the caudal one. */
function wallParts(structure, arrays, n) {
  const { around, rostral, caudal, tip } = structure.layout;
  const last = around.length - 1;
  const parts = around.map((count, i) => ({ track: i, weights: swollen(n, count, i) }));
  const disc = (track, counts, even) => ({
    track,
    weights: discWeights(n, parts[track].weights, counts, track, even),
  });
  const caps = [disc(0, rostral, arrays[`rostral/${structure.name}`])];
  if (tip) {
    caps.push(...tipParts(n, caudal, tip, last));
  } else {
    caps.push(disc(last, caudal, arrays[`caudal/${structure.name}`]));
  }
  return [...parts, ...caps];
}

/** Weights (count, n) of a ring's vertices, off its centre by the chords' excess. */
function swollen(n, count, ring, share = chordExcess(count)) {
  return aroundWeights(n, count, ring).map((weight) => (1 - share) / n + share * weight);
}

/** Weights (p, n) of a flat cap: half way between the ring shrunk and the mean of neighbours. */
function discWeights(n, rim, counts, first, even) {
  const size = rim.length / n;
  const shrunk = counts.map((count, k) => {
    const share = (1 - (k + 1) / (counts.length + 1)) * chordExcess(size);
    return swollen(n, count, first + k + 1, share);
  });
  const rows = even.length / size;
  const weights = multiply(even, rim, rows, size, n, new Float64Array(rows * n));
  let at = 0;
  for (const part of [...shrunk, new Float64Array(n).fill(1 / n)]) {
    part.forEach((weight, i) => (weights[at + i] = (weights[at + i] + weight) / 2));
    at += part.length;
  }
  return weights;
}

/** Rings of a round cap and its apex: weights of the last ring and of its slope. */
function tipParts(n, counts, tip, last) {
  const rings = counts.map((count, k) => {
    const s = Math.sin((Math.PI / 2) * tip.turns[k]);
    const c = Math.cos((Math.PI / 2) * tip.turns[k]);
    const excess = chordExcess(count);
    const place = aroundWeights(n, count, last + k + 1);
    return {
      track: last,
      weights: place.map((w) => 1 / n + excess * c * (w - 1 / n)),
      onSlope: place.map((w) => tip.height * s * (1 / n + excess * c * (w - 1 / n))),
    };
  });
  const mean = new Float64Array(n).fill(1 / n);
  const apex = { track: last, weights: mean, onSlope: mean.map((w) => w * tip.height) };
  return [...rings, apex];
}

/** Product (rows, columns) of a (rows, inner) and b (inner, columns). */
function multiply(a, b, rows, inner, columns, out) {
  out.fill(0);
  for (let r = 0; r < rows; r++) {
    for (let i = 0; i < inner; i++) {
      const factor = a[r * inner + i];
      if (factor === 0) continue;
      for (let c = 0; c < columns; c++) out[r * columns + c] += factor * b[i * columns + c];
    }
  }
  return out;
}

/** Caudal and dorsal unit vectors of the sac: they turn with the anatomy. */
function sacAxes(structure, points) {
  const { start, rings, around } = structure.landmarks;
  const centre = (ring) => meanPoint(points, start + ring * around, around);
  const caudal = unit(minus(centre(rings - 1), centre(0)));
  let dorsal = [0, 0, 0];
  for (let ring = 0; ring < rings; ring++) {
    dorsal = plus(dorsal, minus(pointAt(points, start + ring * around), centre(ring)));
  }
  return { caudal, dorsal: unit(minus(dorsal, times(caudal, dot(dorsal, caudal)))) };
}

/**
 * Vertices of a tube about a root, a function of the landmarks and of the sac's axes.
 *
 * It says where the tube folds: a place, or null.
 */
function rootTube(structure) {
  const { start, rings: n } = structure.landmarks;
  const { places, around } = structure.layout;
  const [begin, end] = structure.radius_mm;
  const reach = around.map((count, i) => (begin + (end - begin) * places[i]) * chordExcess(count));
  return (points, { caudal, dorsal }, out) => {
    const { line, tangent } = centreline(points.subarray(3 * start, 3 * (start + n)), n, places);
    const lean = dot(tangent[0], dorsal) / (1 + dot(tangent[0], caudal));
    const first = minus(dorsal, times(plus(caudal, tangent[0]), lean));
    const normal = rotationMinimising(line, tangent, first);
    const frames = normal.map((side, i) => [side, cross(tangent[i], side)]);
    writeRings(structure.layout, line, frames, reach, out);
    return foldOf(line, tangent, reach);
  };
}

/** Places and unit tangents at equal distances along the cubic spline by chord length. */
function centreline(points, n, places) {
  const intervals = places.length - 1;
  const knots = arcLength(points, n);
  const slopes = openSlopes(knots, points, 3);
  const sample = (rising, weightsOf) => {
    const result = new Float64Array(3 * rising.length);
    let i = 0;
    for (let k = 0; k < rising.length; k++) {
      i = intervalOf(knots, rising[k], i);
      const h = knots[i + 1] - knots[i];
      blend(weightsOf((rising[k] - knots[i]) / h, h), points, slopes, i, i + 1, 3, result, 3 * k);
    }
    return result;
  };
  const fine = even(knots[n - 1], 8 * Math.max(intervals, n));
  const length = arcLength(sample(fine, hermite), fine.length);
  const goals = interpolate(even(length[fine.length - 1], intervals), length, fine);
  const [line, rates] = [sample(goals, hermite), sample(goals, hermiteRates)];
  line.set(points.subarray(0, 3));
  line.set(points.subarray(3 * (n - 1), 3 * n), 3 * intervals);
  const rows = places.map((_, i) => i);
  return {
    line: rows.map((i) => pointAt(line, i)),
    tangent: rows.map((i) => unit(pointAt(rates, i))),
  };
}

/**
 * Normals along a curve that turn about the tangent as little as can be.
 *
 * Double reflection: Wang, Juettler, Zheng & Liu 2008, doi:10.1145/1330511.1330513.
 */
function rotationMinimising(line, tangent, first) {
  const reflected = (v, across) => minus(v, times(across, (2 * dot(v, across)) / dot(across, across)));
  const normals = [first];
  for (let k = 0; k + 1 < line.length; k++) {
    const chord = minus(line[k + 1], line[k]);
    const turned = reflected(tangent[k], chord);
    const away = minus(tangent[k + 1], turned);
    const normal = reflected(normals[k], chord);
    normals.push(dot(away, away) > 0 ? reflected(normal, away) : normal);
  }
  return normals;
}

/** Rings about a line, then its two caps, each with its centre last. */
function writeRings(layout, line, frames, reach, out) {
  const last = line.length - 1;
  let at = 0;
  const ring = (i, count, number, share) => {
    const [dorsal, left] = frames[i];
    for (const turn of turnsOf(count, number)) {
      const c = share * reach[i] * Math.cos(2 * Math.PI * turn);
      const s = share * reach[i] * Math.sin(2 * Math.PI * turn);
      for (let k = 0; k < 3; k++) out[at++] = line[i][k] + c * dorsal[k] + s * left[k];
    }
  };
  layout.around.forEach((count, i) => ring(i, count, i, 1));
  for (const [end, counts] of [[0, layout.rostral], [last, layout.caudal]]) {
    counts.forEach((count, k) => ring(end, count, end + k + 1, 1 - (k + 1) / (counts.length + 1)));
    for (let k = 0; k < 3; k++) out[at++] = line[end][k];
  }
}

/** Where planes of neighbouring cross-sections meet nearer than the tube reaches, or null. */
function foldOf(line, tangent, reach) {
  let worst = { slack: Infinity, place: null };
  for (let k = 0; k + 1 < line.length; k++) {
    const step = norm(minus(line[k + 1], line[k]));
    const half = Math.asin(clamp(norm(minus(tangent[k + 1], tangent[k])) / 2, 0, 1));
    const slack = step / (2 * Math.max(Math.tan(half), 1e-12)) - Math.max(reach[k], reach[k + 1]);
    if (slack < worst.slack) worst = { slack, place: line[k] };
  }
  return worst.slack <= 0 ? worst.place : null;
}
