"""The leading principal components of shapes, of which all or only passes over blocks are seen.

A block Krylov space of the scatter matrix C grows by a product ``C Q`` a pass; in it the leading
eigenvectors are found by Rayleigh and Ritz.  Convergence rests on the gaps between eigenvalues,
not on their number (Saad 2011, Numerical Methods for Large Eigenvalue Problems, ch. 6,
doi:10.1137/1.9781611970739; Musco & Musco 2015, arXiv:1504.05477), so that a few passes give what
all subjects at once would, to rounding.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import numpy as np

from atlas.components.blocks import Block, Group, joined, total
from atlas.components.principal import ShapeModelError, principal_components, reached
from atlas.components.rank_selection import beyond_noise, foreseen_beyond_noise

# Up to so many shapes the smaller Gram matrix is found at once and gives every mode.
GATHERED = 400
# Share of the variance of the landmarks everybody has that stands for signal.
VARIANCE_HELD = 0.99
GATHERED_COPIES = 4
# Columns that a pass multiplies; twice as many from every PATIENCE-th pass on.
COLUMNS = 24
PATIENCE = 8
# Residual at which an eigenvector stands, over the largest eigenvalue.
REST = 1e-13
# The Krylov space is kept twice: with 8,064 coordinates this many directions take 250 MiB.
WIDEST = 2048
SPACE_COPIES = 2
# Taken in any memory: 64 MiB while nothing else is there, and less leaves modes untold.
LEAST_WIDE = 512
# Past this part of the subjects, all components at once are less work than their leading ones.
SPARSE = 8
SEED = 20241


@dataclass(frozen=True, slots=True, eq=False)
class Components:
    """Leading principal components.

    Parameters
    ----------
    modes : (K, p) float
        Orthonormal rows, by falling variance.
    variance : (K,) float
        Eigenvalues of the covariance (n - 1).
    total : float
        Variance of all components together.
    bounded : bool
        Whether noise, and not the share they hold, says how many they are.
    """

    modes: np.ndarray
    variance: np.ndarray
    total: float
    bounded: bool = False

    @property
    def rest(self) -> float:
        """Variance beyond these components."""
        return self.total - float(self.variance.sum())


class TooManyModesError(ShapeModelError):
    """More modes than passes can find with reasonable work; the text says what to ask for."""


def array_components(
    deviations: np.ndarray,
    *,
    k: int | None = None,
    held: float = 1.0,
    noisy: float | None = None,
) -> Components:
    """Leading components of centred rows (n, p) in memory, as :func:`group_components`."""
    n = len(deviations)
    if n > GATHERED and (k or held < 1 or noisy):
        with suppress(TooManyModesError):
            return leading_components(
                lambda columns: deviations.T @ (deviations @ columns),
                np.einsum("np,np->p", deviations, deviations),
                n,
                k=k,
                held=held,
                noisy=noisy,
                widest=n // SPARSE,
            )
    modes, variance = principal_components(deviations, k=k, held=held)
    whole = float(np.vdot(deviations, deviations)) / (n - 1)
    beyond = beyond_noise(variance, whole, n, noisy) if noisy else None
    count = len(variance) if beyond is None else max(beyond, 1)
    return Components(modes[:count], variance[:count], whole, count < len(variance))


def group_components(
    group: Group,
    rows: Callable[..., np.ndarray],
    *shared: Any,
    own: Sequence[Any] = (),
    k: int | None = None,
    held: float = 1.0,
    noisy: float | None = None,
) -> Components:
    """Leading components of what a pass gives for each subject.

    Parameters
    ----------
    group : Group
    rows : callable
        ``rows(block, *own parts, *shared)`` gives (S, p) centred data, the same each time.
    shared, own
        As :meth:`atlas.components.blocks.Group.each` takes them.
    k : int, optional
        How many; by default as many as hold ``held`` of the variance.
    held : float
    noisy : float, optional
        Without k: of these, but one at least, those :func:`beyond_noise` in so many coordinates.

    Returns
    -------
    Components
    """
    n = len(group.subject_ids)
    # The rows themselves, their copy in the making, and what is worked out from them.
    if group.fits(GATHERED_COPIES * n * group.scheme.size * 24):
        gathered = joined(group.each(rows, *shared, own=own))
        return array_components(gathered, k=k, held=held, noisy=noisy)
    sums: np.ndarray = total(group.each(_squares, rows, shared, own=own))

    def multiply(columns: np.ndarray) -> np.ndarray:
        product: np.ndarray = total(group.each(_times, rows, columns, shared, own=own))
        return product

    widest = _widest(group)
    return leading_components(multiply, sums, n, k=k, held=held, noisy=noisy, widest=widest)


def _widest(group: Group) -> int:
    """Directions that may be looked at within the memory of a group."""
    widest = WIDEST
    while widest > LEAST_WIDE and not group.fits(SPACE_COPIES * widest * group.scheme.size * 24):
        widest //= 2
    return widest


def signal_modes(
    group: Group,
    rows: Callable[..., np.ndarray],
    *shared: Any,
    own: Sequence[Any] = (),
    held: float = VARIANCE_HELD,
    noisy: float | None = None,
) -> tuple[int, bool]:
    """How many modes, 1 to n - 2, hold a share of the variance; whether noise allows no more."""
    found = group_components(group, rows, *shared, own=own, held=held, noisy=noisy)
    return min(len(found.variance), most_signal_modes(len(group.subject_ids))), found.bounded


def most_signal_modes(n: int) -> int:
    """The most modes that n shapes tell beside their noise."""
    return max(n - 2, 1)


def _squares(block: Block, *arguments: Any) -> np.ndarray:
    """Sums of squares of each column of a block's rows, (p,)."""
    data = _rows(block, *arguments)
    sums: np.ndarray = np.einsum("np,np->p", data, data)
    return sums


def _times(block: Block, *arguments: Any) -> np.ndarray:
    """A block's part of the scatter matrix times columns, (p, b)."""
    *parts, rows, columns, shared = arguments
    data = _rows(block, *parts, rows, shared)
    product: np.ndarray = data.T @ (data @ columns)
    return product


def _rows(block: Block, *arguments: Any) -> np.ndarray:
    *parts, rows, shared = arguments
    found: np.ndarray = rows(block, *parts, *shared)
    return found


def leading_components(
    multiply: Callable[[np.ndarray], np.ndarray],
    squares: np.ndarray,
    n: int,
    *,
    k: int | None = None,
    held: float = 1.0,
    noisy: float | None = None,
    widest: int = WIDEST,
) -> Components:
    """Leading eigenvectors of a scatter matrix that is known by its products.

    Parameters
    ----------
    multiply : callable
        From columns (p, b) to the scatter matrix times them, (p, b).
    squares : (p,) float
        Its diagonal.
    n : int
        Number of shapes it was added up from; variances divide by n - 1.
    k : int, optional
        How many; by default as many as hold ``held`` of the variance.
    held : float
    noisy : float, optional
        As :func:`group_components`.
    widest : int
        Directions that may be looked at.

    Returns
    -------
    Components
        Exact to rounding: a mode stands when its residual is below 1e-13 of the first eigenvalue.

    Raises
    ------
    ShapeModelError
        No variation.
    TooManyModesError
        Modes that cannot be told apart within so many directions.
    """
    whole = float(squares.sum())
    if whole <= 0:
        raise ShapeModelError("expected shapes that differ, got the same shape in every subject")
    space = _Space.empty(len(squares))
    limit = min(n - 1, len(squares))
    fresh = np.random.default_rng(SEED).standard_normal((len(squares), min(COLUMNS, limit)))
    fresh = np.linalg.qr(fresh)[0]
    passes, values = 0, np.empty(0)
    while True:
        image = multiply(fresh)
        space, passes, before = space.grown(fresh, image), passes + 1, values
        values, vectors = space.ritz()
        count, bounded = k or reached(values, whole, held), False
        if noisy and not k:
            beyond = foreseen_beyond_noise(
                values, before, passes, total=whole, n=n, coordinates=noisy
            )
            if beyond is not None and (count is None or beyond < count):
                count, bounded = max(beyond, 1), True
        if count is not None and space.residual(values, vectors, count) <= REST * values[0]:
            break
        fresh = space.beyond(image, values[0], doubled=passes % PATIENCE == 0)
        if not fresh.shape[1]:
            # C leads nowhere else: the space holds all there is.
            count = min(count or limit, limit, len(values))
            break
        if space.width > widest:
            raise TooManyModesError(
                f"expected the modes {f'that hold {held:.2%} of the variance' if k is None else k} "
                f"within {widest} directions, got more; ask for a smaller share or fewer modes, "
                "or give more memory"
            )
    modes = (space.basis @ vectors[:, :count]).T
    return Components(modes, values[:count] / (n - 1), whole / (n - 1), bounded)


@dataclass(frozen=True, slots=True, eq=False)
class _Space:
    """Orthonormal directions (p, m), what C makes of them (p, m), and C within them (m, m)."""

    basis: np.ndarray
    image: np.ndarray
    inner: np.ndarray

    @classmethod
    def empty(cls, size: int) -> _Space:
        return cls(np.empty((size, 0)), np.empty((size, 0)), np.empty((0, 0)))

    @property
    def width(self) -> int:
        return self.basis.shape[1]

    def grown(self, fresh: np.ndarray, image: np.ndarray) -> _Space:
        side, corner = self.basis.T @ image, fresh.T @ image
        inner = np.block([[self.inner, side], [side.T, (corner + corner.T) / 2]])
        return _Space(np.hstack([self.basis, fresh]), np.hstack([self.image, image]), inner)

    def ritz(self) -> tuple[np.ndarray, np.ndarray]:
        """Falling eigenvalues (m,) of C within the space, and their vectors (m, m) in it."""
        values, vectors = np.linalg.eigh(self.inner)
        return values[::-1], vectors[:, ::-1]

    def residual(self, values: np.ndarray, vectors: np.ndarray, count: int) -> float:
        """Largest norm of ``C u - value u`` over the leading vectors."""
        if count > self.width:
            return np.inf
        chosen = vectors[:, :count]
        apart = self.image @ chosen - (self.basis @ chosen) * values[:count]
        return float(np.linalg.norm(apart, axis=0).max())

    def beyond(self, image: np.ndarray, largest: float, *, doubled: bool) -> np.ndarray:
        """Orthonormal directions (p, b) in which C leads out of the space; none where it ends."""
        fresh = image
        if doubled:
            rng = np.random.default_rng(SEED + self.width)
            more = largest * np.linalg.qr(rng.standard_normal(image.shape))[0]
            fresh = np.hstack([image, more])
        # Twice is enough (Giraud et al. 2005, doi:10.1007/s00211-005-0615-4).
        for _ in range(2):
            fresh = fresh - self.basis @ (self.basis.T @ fresh)
        q, r = np.linalg.qr(fresh)
        leads = np.abs(np.diag(r)) > REST * largest / 10
        return q[:, leads] - self.basis @ (self.basis.T @ q[:, leads])
