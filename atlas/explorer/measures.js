// Measures of an anatomy by the definitions of analysis.morphometry (docs/measures.md).
//
// The shape is whole and generated: no point is missing, and where a trace would end is unknown, so
// that a root is measured where it lies inside the sac.

// Chords a spline segment, and what counts as standing in the plane of the first or last ring.
const CHORDS = 4;
const PLANE_MM = 1e-6;

/** Columns left, dorsal, rostral as three vectors: the part of `left` across `rostral` counts. */
function axesFrom(left, rostral) {
  const z = unit(rostral);
  const x = unit(minus(left, times(z, dot(left, z))));
  return [x, cross(z, x), z];
}

/** Left, dorsal and rostral of a shape, found from the shape alone. */
function anatomyAxes(dura, roots, points) {
  const { start, rings, around } = dura.landmarks;
  const centres = Array.from({ length: rings }, (_, i) => meanPoint(points, start + i * around, around));
  const flat = Float64Array.from(centres.flat());
  const middle = meanPoint(flat, 0, rings);
  let rostral = eigenvectors(scatter(flat, rings, () => middle))[2];
  if (dot(rostral, minus(centres[0], centres[rings - 1])) < 0) rostral = times(rostral, -1);
  const ends = [dot(centres[0], rostral), dot(centres[rings - 1], rostral)].sort((a, b) => a - b);
  const means = new Map();
  for (const root of roots) {
    const within = tracedPoints(root, points).filter((p) => {
      const height = dot(p, rostral);
      return ends[0] <= height && height <= ends[1];
    });
    if (within.length) {
      const mean = times(within.reduce(plus), 1 / within.length);
      means.set(`${root.level}/${root.side}`, mean);
    }
  }
  const across = [];
  for (const level of new Set(roots.map((root) => root.level))) {
    const [left, right] = [means.get(`${level}/left`), means.get(`${level}/right`)];
    if (left && right) across.push(minus(left, right));
  }
  if (across.length) return axesFrom(across.reduce(plus), rostral);
  const dorsal = centres.map((c, i) => minus(pointAt(points, start + i * around), c)).reduce(plus);
  return axesFrom(cross(dorsal, rostral), rostral);
}

/** Points of a root before its ganglion, which was marked on another image. */
function tracedPoints(root, points) {
  const { start, rings } = root.landmarks;
  return Array.from({ length: rings - 1 }, (_, i) => pointAt(points, start + i));
}

/** Axes of the slices: the normal is the least-squares one over all dura rings. */
function sliceAxes(dura, points, left) {
  const { start, rings, around } = dura.landmarks;
  const block = points.subarray(3 * start, 3 * (start + rings * around));
  const centres = Array.from({ length: rings }, (_, i) => meanPoint(block, i * around, around));
  const spread = scatter(block, rings * around, (i) => centres[Math.floor(i / around)]);
  const normal = eigenvectors(spread)[0];
  const up = dot(normal, minus(centres[0], centres[rings - 1])) >= 0;
  return axesFrom(left, up ? normal : times(normal, -1));
}

/** Dense points on the periodic spline by chord length through a ring of n points. */
function smoothRing(ring, n) {
  const at = (i) => pointAt(ring, i % n);
  const chords = Float64Array.from({ length: n }, (_, i) => norm(minus(at(i + 1), at(i))));
  const slopes = closedSlopes(ring, chords, 3);
  const dense = new Float64Array(n * CHORDS * 3);
  for (let i = 0; i < n; i++) {
    for (let k = 0; k < CHORDS; k++) {
      const weights = hermite(k / CHORDS, chords[i]);
      blend(weights, ring, slopes, i, (i + 1) % n, 3, dense, (i * CHORDS + k) * 3);
    }
  }
  return dense;
}

/** Area centroid of an outline of count points of d numbers: further axes weigh like the first two. */
function areaCentroid(outline, count, d) {
  const origin = new Float64Array(d);
  for (let i = 0; i < count * d; i++) origin[i % d] += outline[i] / count;
  const moment = new Float64Array(d);
  let twice = 0;
  for (let i = 0; i < count; i++) {
    const [a, b] = [i * d, ((i + 1) % count) * d];
    const turn =
      (outline[a] - origin[0]) * (outline[b + 1] - origin[1]) -
      (outline[a + 1] - origin[1]) * (outline[b] - origin[0]);
    twice += turn;
    for (let k = 0; k < d; k++) moment[k] += turn * (outline[a + k] + outline[b + k] - 2 * origin[k]);
  }
  return origin.map((place, k) => place + moment[k] / (3 * twice));
}

/** Rings of a structure as outlines, depths and centres; slices have the given axes. */
function stackOf(structure, points, axes) {
  const { start, rings, around } = structure.landmarks;
  const count = around * CHORDS;
  const [outlines, centres, depths] = [[], [], []];
  for (let i = 0; i < rings; i++) {
    const local = new Float64Array(around * 3);
    for (let k = 0; k < around; k++) {
      const p = pointAt(points, start + i * around + k);
      local.set(axes.map((axis) => dot(p, axis)), 3 * k);
    }
    const dense = smoothRing(local, around);
    const middle = areaCentroid(dense, count, 3);
    const centre = axes.map((axis, k) => times(axis, middle[k])).reduce(plus);
    const outline = new Float64Array(2 * count);
    for (let k = 0; k < count; k++) {
      outline[2 * k] = dense[3 * k];
      outline[2 * k + 1] = dense[3 * k + 1];
    }
    outlines.push(outline);
    centres.push(centre);
    depths.push(-middle[2]);
  }
  return { outlines, centres, depths };
}

/** Values of rings interpolated at a depth, or null where there is no slice. */
function between(stack, values, depth) {
  const { depths } = stack;
  const last = depths.length - 1;
  if (!(depth >= depths[0] - PLANE_MM && depth <= depths[last] + PLANE_MM)) return null;
  let i = 0;
  while (i < last - 1 && depths[i + 1] <= depth) i++;
  const share = (depth - depths[i]) / (depths[i + 1] - depths[i]);
  const [above, below] = [values[i], values[i + 1]];
  const result = new Float64Array(above.length);
  for (let k = 0; k < result.length; k++) result[k] = above[k] + share * (below[k] - above[k]);
  return result;
}

/** Most dorsal crossing of an outline with the line at `left`; NaN where it misses. */
function dorsalEdge(outline, left) {
  const n = outline.length / 2;
  let high = -Infinity;
  for (let i = 0; i < n; i++) {
    const j = (i + 1) % n;
    const [a, b] = [outline[2 * i] - left, outline[2 * j] - left];
    if (a >= 0 === b >= 0) continue;
    const reach = outline[2 * i + 1];
    high = Math.max(high, reach + (a / (a - b)) * (outline[2 * j + 1] - reach));
  }
  return high === -Infinity ? NaN : high;
}

/** Dorsal edge of the cord to that of the sac on the sac's midline, mm, in the slice at a depth. */
function dorsalCsf(sac, cord, depth) {
  const [outer, inner] = [between(sac, sac.outlines, depth), between(cord, cord.outlines, depth)];
  if (!outer || !inner) return NaN;
  const [middle] = areaCentroid(outer, outer.length / 2, 2);
  return dorsalEdge(outer, middle) - dorsalEdge(inner, middle);
}

/** Median of angles about their mean direction, degrees: none jumps from +180 to -180. */
function medianAngle(angles) {
  if (!angles.length) return NaN;
  const sum = angles.reduce(([c, s], a) => [c + Math.cos(a), s + Math.sin(a)], [0, 0]);
  const mean = Math.atan2(sum[1], sum[0]);
  const turned = angles.map((a) => Math.atan2(Math.sin(a - mean), Math.cos(a - mean)));
  turned.sort((a, b) => a - b);
  const half = (turned[(turned.length - 1) >> 1] + turned[turned.length >> 1]) / 2;
  return (Math.atan2(Math.sin(mean + half), Math.cos(mean + half)) * 180) / Math.PI;
}

/** Whether a point (left, dorsal) lies within an outline, by the edges at its nearest corner. */
function isInside(outline, left, dorsal) {
  const n = outline.length / 2;
  let [nearest, least, twice] = [0, Infinity, 0];
  for (let i = 0; i < n; i++) {
    const j = (i + 1) % n;
    const [x, y] = [outline[2 * i] - left, outline[2 * i + 1] - dorsal];
    twice += x * (outline[2 * j + 1] - dorsal) - y * (outline[2 * j] - left);
    if (x * x + y * y < least) [nearest, least] = [i, x * x + y * y];
  }
  let [best, side] = [Infinity, 0];
  for (const first of [nearest + n - 1, nearest]) {
    const [i, j] = [first % n, (first + 1) % n];
    const [x, y] = [outline[2 * i] - left, outline[2 * i + 1] - dorsal];
    const [dx, dy] = [outline[2 * j] - outline[2 * i], outline[2 * j + 1] - outline[2 * i + 1]];
    const share = clamp(-(x * dx + y * dy) / (dx * dx + dy * dy), 0, 1);
    const apart = Math.hypot(x + share * dx, y + share * dy);
    if (apart < best) [best, side] = [apart, x * dy - y * dx];
  }
  return best === 0 || side * twice >= 0;
}

/**
 * Points of a root inside the sac: from its begin to where it leaves for good, or to the last ring.
 *
 * The stretch ends at the last step from inside to outside, if the root is outside where the rings
 * see it last.
 */
function intraduralPoints(root, points, sac, plane) {
  const { start, rings } = root.landmarks;
  const inside = Array.from({ length: rings }, (_, i) => {
    const p = pointAt(points, start + i);
    const outline = between(sac, sac.outlines, -dot(p, plane[2]));
    return outline && isInside(outline, dot(p, plane[0]), dot(p, plane[1]));
  });
  let exit = -1;
  for (let i = 0; i + 1 < rings; i++) if (inside[i] && inside[i + 1] === false) exit = i;
  const leaves = exit >= 0 && inside.findLast((state) => state !== null) === false;
  const seen = inside.slice(0, leaves ? exit + 1 : rings - 1);
  const last = seen.findLastIndex((state) => state !== null);
  return tracedPoints(root, points).slice(0, last + 1);
}

/** Angle of a root about the sac's centroid, degrees, 0 dorsal, + left: median inside the sac. */
function sacAngle(root, points, sac, axes, plane) {
  const angles = [];
  for (const p of intraduralPoints(root, points, sac, plane)) {
    const centre = between(sac, sac.centres, -dot(p, plane[2]));
    if (!centre) continue;
    const away = minus(p, centre);
    angles.push(Math.atan2(dot(away, axes[0]), dot(away, axes[1])));
  }
  return medianAngle(angles);
}

/**
 * Measures of each level: dorsal CSF, and of each side the angle and the depth of the begin.
 *
 * A level's slice stands midway between its left and its right begin.
 */
function measuresOf(structures, points) {
  const [dura, cord] = ["dura", "cord"].map((name) => structures.find((s) => s.name === name));
  const roots = structures.filter((structure) => structure.level);
  const axes = anatomyAxes(dura, roots, points);
  const plane = sliceAxes(dura, points, axes[0]);
  const [sac, inner] = [stackOf(dura, points, plane), stackOf(cord, points, plane)];
  const down = (p) => -dot(p, plane[2]);
  const result = {};
  for (const level of new Set(roots.map((root) => root.level))) {
    const entry = {};
    const depths = [];
    for (const root of roots.filter((r) => r.level === level)) {
      const begin = pointAt(points, root.landmarks.start);
      depths.push(down(begin));
      entry[root.side] = {
        angle_sac_deg: sacAngle(root, points, sac, axes, plane),
        begin_below_apex_mm: dot(minus(sac.centres[0], begin), axes[2]),
      };
    }
    const depth = depths.reduce((a, b) => a + b) / depths.length;
    result[level] = { csf_dorsal_mm: dorsalCsf(sac, inner, depth), ...entry };
  }
  return result;
}
