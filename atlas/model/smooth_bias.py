"""A smooth Gaussian-process bias added to a shape model of few subjects.

Of S subjects a model knows at most S - 1 ways to differ; in all others it is sure of its mean.
A Gaussian process over the mean says what it does not know: that nearby landmarks move together.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

import numpy as np

from atlas.curves.polylines import arc_length
from atlas.errors import AtlasError
from atlas.landmarks.scheme import Block, LandmarkScheme
from atlas.model.shape_model import ShapeModel, mode_signs, weighted_modes
from atlas.procrustes.alignment import Alignment, anchor_weights

# Correlation that the pivoted Cholesky factor may miss, against what the settings let go: the
# eigenfunctions are those of the kernel, and only they decide what is dropped.
CHOLESKY_SHARE = 0.1
# Variance under this, of 1, is rounding.
CHOLESKY_FLOOR = 1e-12
# Singular values of the constraints under this, of the largest, say nothing new.
CONSTRAINT_TOLERANCE = 1e-9


class SmoothBiasError(AtlasError):
    """Settings of a bias that cannot be; the text says expected and got."""


@dataclass(frozen=True, slots=True)
class SmoothBias:
    """Settings of a smooth bias.

    Parameters
    ----------
    scale_mm : float or mapping of str to float
        Standard deviation of a landmark's displacement per axis.  A mapping names blocks
        (``dura``, ``root/L5/left``), what their names begin with (``root``, ``root/L5``) or their
        kind (``tube``, ``curve``); the longest name counts before the kind, and what is not named
        gets no bias.
    length_mm : float
        Distance at which the correlation is ``exp(-1/2) = 0.61``; 0.14 at twice as much.
    rank : int, optional
        At most so many eigenfunctions a kernel, each along x, y and z, before the pose is taken
        out.  As many as ``share`` needs by default.
    share : float
        Of its variance that every landmark keeps at least, unless ``rank`` allows less.
    shared : bool
        One kernel over the whole anatomy, by Euclidean distance: neighbouring structures move
        together, and seeing one makes the model sure of the others.  By default one a block,
        independent of the others: it only says how far a structure may stray.

    Notes
    -----
    ``cov(x_i, x_j) = s_i s_j exp(-d_ij² / (2 length²))`` per axis, axes independent; d is arc
    length along the mean root for a curve, Euclidean distance in the mean otherwise.  Both embed
    in a Euclidean space, so that the kernel is a covariance whatever its length; distance on the
    surface of a tube is not and would not be one.

    Squared-exponential and not Matérn: what few subjects miss is long-wave, short-wave variation is
    the business of the annotation noise, and the eigenvalues fall fast.
    """

    scale_mm: float | Mapping[str, float]
    length_mm: float
    rank: int | None = None
    share: float = 0.99
    shared: bool = False

    def __post_init__(self) -> None:
        if isinstance(self.scale_mm, Mapping):
            object.__setattr__(self, "scale_mm", MappingProxyType(dict(self.scale_mm)))
            scales = list(self.scale_mm.values())
        else:
            scales = [self.scale_mm]
        if not all(0 <= s < np.inf for s in scales):
            raise SmoothBiasError(f"scale_mm: expected 0 or more mm, got {self.scale_mm}")
        if not 0 < self.length_mm < np.inf:
            raise SmoothBiasError(f"length_mm: expected more than 0 mm, got {self.length_mm}")
        if self.rank is not None and self.rank < 1:
            raise SmoothBiasError(f"rank: expected 1 or more, or None, got {self.rank}")
        if not 0 < self.share < 1:
            raise SmoothBiasError(f"share: expected more than 0 and less than 1, got {self.share}")

    def scales(self, scheme: LandmarkScheme) -> np.ndarray:
        """Scale (L,) of each landmark, mm.

        Raises SmoothBiasError for names that no block of the scheme goes by.
        """
        if not isinstance(self.scale_mm, Mapping):
            return np.full(scheme.size, float(self.scale_mm))
        given = self.scale_mm
        known = {name for block in scheme.blocks for name in _goes_by(block)}
        unknown = sorted(set(given) - known)
        if unknown:
            raise SmoothBiasError(
                "scale_mm: expected names of blocks, what these begin with (root, root/L5), tube "
                f"or curve, got {unknown}"
            )
        parts = [
            np.full(b.size, next((given[n] for n in _goes_by(b) if n in given), 0.0))
            for b in scheme.blocks
        ]
        return np.concatenate(parts)


def _goes_by(block: Block) -> list[str]:
    """What a block can be called, the closest name first: root/L5/left, root/L5, root, curve."""
    parts = block.name.split("/")
    return ["/".join(parts[:n]) for n in range(len(parts), 0, -1)] + [block.kind]


def bias_loadings(scheme: LandmarkScheme, mean: np.ndarray, bias: SmoothBias) -> np.ndarray:
    """Low-rank factor of the covariance of a smooth bias.

    Parameters
    ----------
    scheme : LandmarkScheme
    mean : (L, 3) float
        Where the process is evaluated, mm.
    bias : SmoothBias

    Returns
    -------
    (L, 3, R) float
        mm; ``A A^T`` is the covariance of :class:`SmoothBias` short of what ``rank`` and ``share``
        drop.  R is three times the number of eigenfunctions, 0 where every scale is 0.

    Raises
    ------
    SmoothBiasError
        Scales by names that the scheme does not have, or a mean with missing landmarks.

    Examples
    --------
    >>> scheme = LandmarkScheme((Block("root/L1/left", "curve", 5),))
    >>> line = np.outer(np.arange(5.0), [0, 0, -10])
    >>> a = bias_loadings(scheme, line, SmoothBias(2.0, length_mm=40, share=0.999))
    >>> a.shape
    (5, 3, 9)
    >>> np.linalg.norm(a[0], axis=1).round(2)
    array([2., 2., 2.])
    """
    mean = np.asarray(mean, dtype=float)
    if mean.shape != (scheme.size, 3) or not np.isfinite(mean).all():
        raise SmoothBiasError(
            f"mean: expected ({scheme.size}, 3) places without gaps, got {mean.shape} with "
            f"{np.count_nonzero(~np.isfinite(mean))} missing values"
        )
    scale = bias.scales(scheme)
    parts = []
    for support, places in _kernels(scheme, mean, scale, shared=bias.shared):
        functions = _eigenfunctions(places / bias.length_mm, bias.share, bias.rank)
        whole = np.zeros((scheme.size, functions.shape[1]))
        whole[support] = scale[support, None] * functions
        parts.append(whole)
    factor = np.hstack([np.zeros((scheme.size, 0)), *parts])
    return np.einsum("lk,ij->likj", factor, np.eye(3)).reshape(scheme.size, 3, -1)


def _kernels(
    scheme: LandmarkScheme, mean: np.ndarray, scale: np.ndarray, *, shared: bool
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Landmarks (n,) of each kernel and coordinates (n, d) whose distance is the kernel's."""
    if shared:
        support = np.flatnonzero(scale)
        yield support, mean[support]
        return
    for block in scheme.blocks:
        span = scheme.span(block.name)
        if scale[span].any():
            points = mean[span]
            curve = block.kind == "curve"
            yield np.arange(span.start, span.stop), arc_length(points)[:, None] if curve else points


def _eigenfunctions(places: np.ndarray, share: float, rank: int | None) -> np.ndarray:
    """Scaled eigenvectors (n, r) of the squared-exponential correlation of places (n, d).

    The fewest by which every landmark keeps its share of variance, at most ``rank``.
    """
    factor = _pivoted_cholesky(places, max(CHOLESKY_SHARE * (1 - share), CHOLESKY_FLOOR))
    u, size, _ = np.linalg.svd(factor, full_matrices=False)
    functions = u * size
    kept = (functions**2).cumsum(axis=1).min(axis=0, initial=1.0)
    needed = int(np.searchsorted(kept, share)) + 1
    return functions[:, : min(needed, rank or needed)]


def _pivoted_cholesky(places: np.ndarray, tolerance: float) -> np.ndarray:
    """Factor F (n, r) of the correlation C with ``diag(C - F F^T) <= tolerance``.

    Each step takes the landmark that is explained least; C itself is never held.
    Harbrecht, Peters & Schneider 2012, doi:10.1016/j.apnum.2011.10.001.
    """
    left = np.ones(len(places))
    factor = np.zeros((len(places), 0))
    while left.size and left.max() > tolerance and factor.shape[1] < len(places):
        pivot = int(left.argmax())
        column = np.exp(-((places - places[pivot]) ** 2).sum(axis=1) / 2)
        column = (column - factor @ factor[pivot]) / np.sqrt(left[pivot])
        factor = np.column_stack([factor, column])
        left = np.maximum(left - column**2, 0.0)
        left[pivot] = 0.0
    return factor


def with_smooth_bias(
    model: ShapeModel, bias: SmoothBias, *, alignment: Alignment | None = None
) -> ShapeModel:
    """The model whose covariance is its own plus that of a smooth bias at its mean.

    Parameters
    ----------
    model : ShapeModel
    bias : SmoothBias
        Several biases are added one after the other.
    alignment : Alignment, optional
        What the model was fitted to: the bias then leaves undone what alignment has taken out,
        see :func:`pose_free`.  Without it the bias moves and turns the anatomy as a whole too,
        which is right only where the pose is uncertain.

    Returns
    -------
    ShapeModel
        Mean, noise, weights and number of subjects as before; more modes than subjects.  The model
        itself where the bias is 0.

    Notes
    -----
    Lüthi, Gerig, Jud & Vetter 2018, doi:10.1109/TPAMI.2017.2739743.  The sum of two
    covariances has the loadings of both side by side; a singular value decomposition makes modes
    of them.  Those far down the list are a basis, not findings: isotropy makes them come in threes
    of nearly equal variance.
    """
    loadings = bias_loadings(model.scheme, model.mean, bias)
    if alignment is not None:
        loadings = pose_free(loadings, model, alignment)
    if not loadings.shape[2]:
        return model
    assert model.weights is not None  # filled in at construction
    own = np.moveaxis(model.modes * np.sqrt(model.variance)[:, None, None], 0, 2)
    modes, variance = weighted_modes(np.concatenate([own, loadings], axis=2), model.weights)
    signs = mode_signs(modes, model.scheme)
    return replace(model, modes=modes * signs[:, None, None], variance=variance)


def pose_free(loadings: np.ndarray, model: ShapeModel, alignment: Alignment) -> np.ndarray:
    """Loadings given that they leave the pose alone.

    Parameters
    ----------
    loadings : (L, 3, R) float
        mm.
    model : ShapeModel
        Whose mean and weights are taken.
    alignment : Alignment
        Whose anchor, rotations and scaling say what alignment takes out.

    Returns
    -------
    (L, 3, R - c) float
        Of the Gaussian distribution conditioned on the c constraints.

    Notes
    -----
    To first order an aligned displacement d does not move the anchor, ``sum_l a_l d_l = 0``, does
    not turn about it, ``sum_l w_l (m_l - anchor) x d_l = 0`` (its z only for axial rotations), and
    with unit scaling keeps the size, ``sum_l w_l (m_l - centroid) . d_l = 0``.  With ``d = A z``
    and constraints ``C d = 0``, z keeps the null space of ``C A``.  So the field stays smooth and
    no variance grows; an orthogonal projection would tear the anchor from its neighbours.
    """
    if not loadings.shape[2]:
        return loadings
    flat = loadings.reshape(-1, loadings.shape[2])
    held = _constraints(model, alignment) @ flat
    _, size, vt = np.linalg.svd(held)
    rank = int((size > CONSTRAINT_TOLERANCE * size.max(initial=0.0)).sum())
    return (flat @ vt[rank:].T).reshape(*loadings.shape[:2], -1)


def _constraints(model: ShapeModel, alignment: Alignment) -> np.ndarray:
    """What alignment takes out, as orthonormal rows (c, 3 L)."""
    assert model.weights is not None  # filled in at construction
    anchor = anchor_weights(model.scheme, alignment.anchor)
    axes = np.eye(3)
    rows = [np.outer(anchor, axis) for axis in axes]
    turns = {"full": axes, "axial": axes[2:], "none": axes[:0]}[alignment.rotations]
    weights = model.weights[:, None]
    # w (r x d) . axis = w (axis x r) . d
    rows += [weights * np.cross(axis, model.mean - anchor @ model.mean) for axis in turns]
    if alignment.scaling == "unit":
        centroid = model.weights @ model.mean / model.weights.sum()
        rows.append(weights * (model.mean - centroid))
    flat = np.array([row.ravel() for row in rows])
    return np.linalg.qr(flat.T)[0].T
