"""The limit: the least work these tasks take in plain numpy, and the reference of every result.

Nothing is checked, nothing named, nothing may be missing: what a library does beyond it is what a
library is for, and what it costs is what the comparison shows.
"""

from __future__ import annotations

import numpy as np

TOLERANCE = 1e-10
MAXIMUM_ROUNDS = 200


def align(points: np.ndarray) -> tuple[np.ndarray, np.ndarray, int]:
    """Generalised Procrustes alignment by rotations about centroids.

    Parameters
    ----------
    points : (S, L, 3) float

    Returns
    -------
    aligned : (S, L, 3) float
        A view of (S, 3, L).
    mean : (L, 3) float
    rounds : int
        Until the mean changed by less than ``TOLERANCE`` of its size.
    """
    count = len(points)
    centred = np.ascontiguousarray(np.swapaxes(points, 1, 2))
    centred -= centred.mean(axis=2, keepdims=True)
    flat = centred.reshape(3 * count, -1)
    mean, change, rounds = centred[0].T, np.inf, 0
    while change > TOLERANCE and rounds < MAXIMUM_ROUNDS:
        u, _, vt = np.linalg.svd(np.swapaxes((flat @ mean).reshape(count, 3, 3), 1, 2))
        u[:, :, 2] *= np.linalg.det(u @ vt)[:, None]
        turns = u @ vt
        updated = (turns.transpose(1, 0, 2).reshape(3, 3 * count) @ flat).T / count
        change = np.linalg.norm(updated - mean) / np.linalg.norm(updated)
        mean, rounds = updated, rounds + 1
    return np.swapaxes(turns @ centred, 1, 2), mean, rounds


def components(
    aligned: np.ndarray, *, variance_held: float | None = None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Principal components by the smaller of the two Gram matrices.

    Parameters
    ----------
    aligned : (S, L, 3) float
    variance_held : float, optional
        Share of the variance the leading modes are to hold; all modes by default.

    Returns
    -------
    mean : (L, 3) float
    modes : (K, L, 3) float
        Orthonormal; a view.
    variance : (K,) float
        Falling, n - 1.
    """
    count = len(aligned)
    mean = aligned.mean(axis=0)
    deviations = aligned - mean
    # As the coordinates lie in memory, axis by axis or landmark by landmark: no mode minds.
    by_axis = not deviations.flags.c_contiguous
    if by_axis:
        deviations = np.swapaxes(deviations, 1, 2)
    flat = deviations.reshape(count, -1)
    small = count <= flat.shape[1]
    gram = flat @ flat.T if small else flat.T @ flat
    values, vectors = np.linalg.eigh(gram)
    values, vectors = values[::-1], vectors[:, ::-1]
    k = min(count - 1, int((values > 1e-10 * values[0]).sum()))
    if variance_held is not None:
        k = int(np.searchsorted(np.cumsum(values) / np.trace(gram), variance_held)) + 1
    modes = vectors[:, :k].T
    if small:
        modes = (modes / np.sqrt(values[:k, None])) @ flat
    modes = modes.reshape(k, *deviations.shape[1:])
    return mean, np.swapaxes(modes, 1, 2) if by_axis else modes, values[:k] / (count - 1)


def draws(mean: np.ndarray, loadings: np.ndarray, n: int, rng: np.random.Generator) -> np.ndarray:
    """n shapes (n, L, 3) from loadings (K, 3 L): modes times their standard deviations."""
    shapes = rng.standard_normal((n, len(loadings))) @ loadings
    shapes += mean.ravel()
    return shapes.reshape(n, -1, 3)
