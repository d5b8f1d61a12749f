"""Least-squares rotations between corresponding points; proper rotations only."""

from __future__ import annotations

import numpy as np


def cross_covariance(moving: np.ndarray, fixed: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Weighted ``sum_l w_l fixed_l moving_l^T`` of many point sets at once.

    Parameters
    ----------
    moving, fixed : (S, L, 3) float
        Finite; points without a counterpart carry weight 0.
    weights : (S, L) float

    Returns
    -------
    (S, 3, 3) float
    """
    return np.swapaxes(fixed * weights[..., None], 1, 2) @ moving


def best_rotation(covariance: np.ndarray) -> np.ndarray:
    """Rotations that carry moving points onto fixed points about the origin.

    Parameters
    ----------
    covariance : (S, 3, 3) float
        Of :func:`cross_covariance`.

    Returns
    -------
    (S, 3, 3) float
        The proper rotations (det +1) that minimise ``sum_l w_l |fixed_l - R moving_l|^2``.

    Notes
    -----
    Kabsch 1976, doi:10.1107/S0567739476001873; the sign of the last singular vector keeps the
    determinant positive (Umeyama 1991, doi:10.1109/34.88573).
    """
    u, _, vt = np.linalg.svd(covariance)
    u[..., :, 2] *= np.linalg.det(u @ vt)[..., None]
    return u @ vt


def best_axial_rotation(covariance: np.ndarray) -> np.ndarray:
    """As :func:`best_rotation`, about the z axis only: the angle in closed form, (S, 3, 3)."""
    sine = covariance[:, 1, 0] - covariance[:, 0, 1]
    cosine = covariance[:, 0, 0] + covariance[:, 1, 1]
    length = np.hypot(sine, cosine)
    rotation = np.tile(np.eye(3), (len(covariance), 1, 1))
    rotation[:, 0, 0] = rotation[:, 1, 1] = cosine / length
    rotation[:, 1, 0] = sine / length
    rotation[:, 0, 1] = -sine / length
    return rotation


def is_mirrored(covariance: np.ndarray) -> np.ndarray:
    """Whether a reflection would fit better than any rotation, (S,) bool."""
    return np.linalg.det(covariance) < 0


def frame(left: np.ndarray, rostral: np.ndarray) -> np.ndarray:
    """Anatomical axes from two directions.

    Parameters
    ----------
    left, rostral : (3,) float
        Of any length; only the part of ``left`` across ``rostral`` counts.

    Returns
    -------
    (3, 3) float
        Columns left, dorsal, rostral: a proper rotation from LPS axes to these.

    Examples
    --------
    >>> frame(np.array([2.0, 0, 1]), np.array([0, 0, 5.0]))
    array([[1., 0., 0.],
           [0., 1., 0.],
           [0., 0., 1.]])
    """
    z = rostral / np.linalg.norm(rostral)
    x = left - (left @ z) * z
    x /= np.linalg.norm(x)
    return np.stack([x, np.cross(z, x), z], axis=1)


def line_direction(points: np.ndarray) -> np.ndarray:
    """Unit direction (3,) of the least-squares line through points (n, 3), from last to first."""
    centred = points - points.mean(axis=0)
    direction = np.linalg.svd(centred, full_matrices=False)[2][0]
    return direction if direction @ (points[0] - points[-1]) >= 0 else -direction
