// Cubic splines as SciPy and NumPy make them: the same slopes, the same sums.

/**
 * Slopes of the cubic spline through values (n, d) at knots (n), not-a-knot at both ends.
 *
 * The tridiagonal system of scipy.interpolate.CubicSpline; a parabola through three knots, a line
 * through two.
 */
function openSlopes(knots, values, d) {
  const n = knots.length;
  const step = Array.from({ length: n - 1 }, (_, i) => knots[i + 1] - knots[i]);
  const rate = (i, k) => (values[(i + 1) * d + k] - values[i * d + k]) / step[i];
  const slopes = new Float64Array(n * d);
  if (n === 2) {
    for (let i = 0; i < 2; i++) for (let k = 0; k < d; k++) slopes[i * d + k] = rate(0, k);
    return slopes;
  }
  const below = new Float64Array(n);
  const middle = new Float64Array(n);
  const above = new Float64Array(n);
  for (let i = 1; i < n - 1; i++) {
    below[i] = step[i];
    middle[i] = 2 * (step[i - 1] + step[i]);
    above[i] = step[i - 1];
    for (let k = 0; k < d; k++) {
      slopes[i * d + k] = 3 * (step[i] * rate(i - 1, k) + step[i - 1] * rate(i, k));
    }
  }
  endConditions({ step, rate, below, middle, above, slopes, n, d });
  return solveBand(below, middle, above, slopes, d);
}

/** First and last row of the system of {@link openSlopes}. */
function endConditions({ step, rate, below, middle, above, slopes, n, d }) {
  const last = n - 1;
  const parabola = n === 3;
  const first = step[0] + step[1];
  const final = step[last - 1] + step[last - 2];
  middle[0] = parabola ? 1 : step[1];
  above[0] = parabola ? 1 : first;
  middle[last] = parabola ? 1 : step[last - 2];
  below[last] = parabola ? 1 : final;
  for (let k = 0; k < d; k++) {
    const [a, b] = [rate(0, k), rate(1, k)];
    const [y, z] = [rate(last - 2, k), rate(last - 1, k)];
    slopes[k] = parabola
      ? 2 * a
      : ((step[0] + 2 * first) * step[1] * a + step[0] ** 2 * b) / first;
    slopes[last * d + k] = parabola
      ? 2 * z
      : (step[last - 1] ** 2 * y + (2 * final + step[last - 1]) * step[last - 2] * z) / final;
  }
}

/** Solution (n, d), in place, of a tridiagonal system. */
function solveBand(below, middle, above, right, d) {
  const n = middle.length;
  const diagonal = Float64Array.from(middle);
  for (let i = 1; i < n; i++) {
    const factor = below[i] / diagonal[i - 1];
    diagonal[i] -= factor * above[i - 1];
    for (let k = 0; k < d; k++) right[i * d + k] -= factor * right[(i - 1) * d + k];
  }
  for (let i = n - 1; i >= 0; i--) {
    for (let k = 0; k < d; k++) {
      const next = i < n - 1 ? above[i] * right[(i + 1) * d + k] : 0;
      right[i * d + k] = (right[i * d + k] - next) / diagonal[i];
    }
  }
  return right;
}

/**
 * Slopes (n, d) of the periodic cubic spline through values (n, d), `chords[i]` from i to i + 1.
 *
 * The cyclic system by Sherman and Morrison (Press et al., Numerical Recipes, 2.7).
 */
function closedSlopes(values, chords, d) {
  const n = chords.length;
  const inverse = Float64Array.from(chords, (h) => 1 / h);
  const before = inverse.map((_, i) => inverse[(i + n - 1) % n]);
  const middle = inverse.map((h, i) => 2 * (h + before[i]));
  const corner = before[0];
  const gamma = -middle[0];
  // One more column holds the correction: both systems are solved at once.
  const width = d + 1;
  const right = new Float64Array(n * width);
  for (let i = 0; i < n; i++) {
    const [previous, next] = [(i + n - 1) % n, (i + 1) % n];
    for (let k = 0; k < d; k++) {
      const here = values[i * d + k];
      right[i * width + k] =
        3 * (here - values[previous * d + k]) * before[i] ** 2 +
        3 * (values[next * d + k] - here) * inverse[i] ** 2;
    }
  }
  right[d] = gamma;
  right[(n - 1) * width + d] = corner;
  middle[0] -= gamma;
  middle[n - 1] -= (corner * corner) / gamma;
  solveBand(before, middle, inverse, right, width);
  const tail = corner / gamma;
  const scale = 1 + right[d] + tail * right[(n - 1) * width + d];
  const slopes = new Float64Array(n * d);
  for (let k = 0; k < d; k++) {
    const factor = (right[k] + tail * right[(n - 1) * width + k]) / scale;
    for (let i = 0; i < n; i++) {
      slopes[i * d + k] = right[i * width + k] - factor * right[i * width + d];
    }
  }
  return slopes;
}

/** Weights of value and slope at both ends of an interval of length h, at its share u. */
function hermite(u, h) {
  const w = 1 - u;
  return [w * w * (1 + 2 * u), w * w * u * h, u * u * (3 - 2 * u), -u * u * w * h];
}

/** Derivatives of {@link hermite} by place. */
function hermiteRates(u, h) {
  return [(6 * u * (u - 1)) / h, 1 + u * (3 * u - 4), (6 * u * (1 - u)) / h, u * (3 * u - 2)];
}

/** Values of d numbers of an interval: `weights` of its begin i and its end j, into `out`. */
function blend(weights, values, slopes, i, j, d, out, at) {
  for (let k = 0; k < d; k++) {
    out[at + k] =
      weights[0] * values[i * d + k] + weights[1] * slopes[i * d + k] +
      weights[2] * values[j * d + k] + weights[3] * slopes[j * d + k];
  }
}

/** Last knot not beyond x, so that an interval begins there; `from` is where to start looking. */
function intervalOf(knots, x, from) {
  let i = from;
  while (i < knots.length - 2 && knots[i + 1] <= x) i++;
  return i;
}

/** numpy.interp of rising x (m) over rising knots. */
function interpolate(xs, knots, values) {
  let i = 0;
  return xs.map((x) => {
    if (x >= knots[knots.length - 1]) return values[knots.length - 1];
    i = intervalOf(knots, x, i);
    const slope = (values[i + 1] - values[i]) / (knots[i + 1] - knots[i]);
    return values[i] + slope * (x - knots[i]);
  });
}

/** numpy.linspace from 0 to `end` in `steps` steps. */
function even(end, steps) {
  const step = end / steps;
  return Float64Array.from({ length: steps + 1 }, (_, i) => (i === steps ? end : i * step));
}

/** Length along a polyline of count points, (count). */
function arcLength(points, count) {
  const length = new Float64Array(count);
  for (let i = 1; i < count; i++) {
    const [a, b] = [3 * i - 3, 3 * i];
    const [x, y, z] = [points[b] - points[a], points[b + 1] - points[a + 1], points[b + 2] - points[a + 2]];
    length[i] = length[i - 1] + Math.sqrt(x * x + y * y + z * z);
  }
  return length;
}

/** Weights (m, r) of r rings at places (m) in ring numbers: not-a-knot; or their derivative. */
function alongWeights(r, places, weightsOf = hermite) {
  const knots = even(r - 1, r - 1);
  const one = new Float64Array(r * r);
  for (let i = 0; i < r; i++) one[i * r + i] = 1;
  const slopes = openSlopes(knots, one, r);
  const result = new Float64Array(places.length * r);
  places.forEach((place, row) => {
    const i = intervalOf(knots, place, 0);
    blend(weightsOf(place - i, 1), one, slopes, i, i + 1, r, result, row * r);
  });
  return result;
}

/** Weights (count, n) of a ring's n landmarks in its vertices: periodic, odd rings turned. */
function aroundWeights(n, count, ring) {
  const one = new Float64Array(n * n);
  for (let i = 0; i < n; i++) one[i * n + i] = 1;
  const slopes = closedSlopes(one, new Float64Array(n).fill(1), n);
  const result = new Float64Array(count * n);
  turnsOf(count, ring).forEach((turn, row) => {
    const place = turn * n;
    const i = Math.min(Math.floor(place), n - 1);
    blend(hermite(place - i, 1), one, slopes, i, (i + 1) % n, n, result, row * n);
  });
  return result;
}

/** Where the vertices of a ring stand, fractions of a turn from the dorsal midline. */
function turnsOf(count, ring) {
  return Float64Array.from({ length: count }, (_, i) => (i + (ring % 2) / 2) / count);
}
