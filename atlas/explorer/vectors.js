// Vectors of three numbers, and symmetric 3 x 3 matrices; all in double precision.

const dot = (a, b) => a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
const minus = (a, b) => [a[0] - b[0], a[1] - b[1], a[2] - b[2]];
const plus = (a, b) => [a[0] + b[0], a[1] + b[1], a[2] + b[2]];
const times = (a, s) => [a[0] * s, a[1] * s, a[2] * s];
const cross = (a, b) => [
  a[1] * b[2] - a[2] * b[1],
  a[2] * b[0] - a[0] * b[2],
  a[0] * b[1] - a[1] * b[0],
];
const norm = (a) => Math.sqrt(dot(a, a));
const unit = (a) => times(a, 1 / norm(a));
const clamp = (value, low, high) => Math.min(high, Math.max(low, value));

/** Point i of a flat array of points. */
const pointAt = (points, i) => [points[3 * i], points[3 * i + 1], points[3 * i + 2]];

/** Mean of the points from `first` on, `count` of them. */
function meanPoint(points, first, count) {
  const sum = [0, 0, 0];
  for (let i = first; i < first + count; i++) {
    for (let axis = 0; axis < 3; axis++) sum[axis] += points[3 * i + axis];
  }
  return times(sum, 1 / count);
}

/** Sum of outer products of points less a centre each: `centres(i)` belongs to point i. */
function scatter(points, count, centres) {
  const sum = [[0, 0, 0], [0, 0, 0], [0, 0, 0]];
  for (let i = 0; i < count; i++) {
    const away = minus(pointAt(points, i), centres(i));
    for (let r = 0; r < 3; r++) for (let c = 0; c < 3; c++) sum[r][c] += away[r] * away[c];
  }
  return sum;
}

/**
 * Eigenvectors of a symmetric 3 x 3 matrix by rising eigenvalue.
 *
 * Cyclic Jacobi rotations (Golub & Van Loan, Matrix Computations, 8.5), to rounding.
 */
function eigenvectors(symmetric) {
  const a = symmetric.map((row) => row.slice());
  const v = [[1, 0, 0], [0, 1, 0], [0, 0, 1]];
  for (let sweep = 0; sweep < 30; sweep++) {
    const off = Math.abs(a[0][1]) + Math.abs(a[0][2]) + Math.abs(a[1][2]);
    if (off <= 1e-18 * (Math.abs(a[0][0]) + Math.abs(a[1][1]) + Math.abs(a[2][2]))) break;
    for (const [p, q] of [[0, 1], [0, 2], [1, 2]]) {
      if (a[p][q] === 0) continue;
      const ratio = (a[q][q] - a[p][p]) / (2 * a[p][q]);
      const t = (ratio < 0 ? -1 : 1) / (Math.abs(ratio) + Math.hypot(ratio, 1));
      const c = 1 / Math.hypot(t, 1);
      const s = t * c;
      for (let k = 0; k < 3; k++) {
        [a[k][p], a[k][q]] = [c * a[k][p] - s * a[k][q], s * a[k][p] + c * a[k][q]];
      }
      for (let k = 0; k < 3; k++) {
        [a[p][k], a[q][k]] = [c * a[p][k] - s * a[q][k], s * a[p][k] + c * a[q][k]];
        [v[k][p], v[k][q]] = [c * v[k][p] - s * v[k][q], s * v[k][p] + c * v[k][q]];
      }
    }
  }
  const order = [0, 1, 2].sort((i, j) => a[i][i] - a[j][j]);
  return order.map((i) => [v[0][i], v[1][i], v[2][i]]);
}
