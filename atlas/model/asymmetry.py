"""How asymmetric each structure is, in mm, and whether that could be chance."""

from __future__ import annotations

import numpy as np

from atlas.landmarks.scheme import LandmarkScheme
from atlas.model.shape_model import left_half
from atlas.model.symmetry import Symmetry

COLUMNS = np.dtype(
    [
        ("structure", "U16"),
        ("n_subjects", np.int64),
        ("directional_mm", float),
        ("lateral_mm", float),
        ("dorsal_mm", float),
        ("rostral_mm", float),
        ("fluctuating_mm", float),
        ("chance_mm", float),
        ("p", float),
    ]
)


def structure_asymmetry(
    symmetry: Symmetry, *, permutations: int = 9999, seed: int = 0
) -> np.ndarray:
    """Directional and fluctuating asymmetry of each structure.

    The asymmetry of a landmark is its place minus the mirror image of its partner's: left
    minus mirrored right, twice the half differences that :class:`Symmetry` holds.  A landmark on
    the midline is its own partner.

    Parameters
    ----------
    symmetry : Symmetry
    permutations : int
        How many patterns of signs are drawn; all of them are taken where there are no more.
    seed : int
        Of the draw.

    Returns
    -------
    structured array
        A row for each structure (``dura``, ``cord``, ``root/<level>`` with both sides, ``all``):

        * ``n_subjects``: with at least one whole pair in the structure;
        * ``directional_mm``: root mean square over landmarks of the mean asymmetry;
        * ``lateral_mm``, ``dorsal_mm``, ``rostral_mm``: mean over the left half of the mean
          asymmetry: + where left lies farther to the left, to dorsal or to rostral than right;
        * ``fluctuating_mm``: SD (n - 1) over subjects of the asymmetry about its mean, root mean
          square over landmarks;
        * ``chance_mm``: root mean square standard error of the mean asymmetry: what
          ``directional_mm`` would be about, were there none;
        * ``p``: of no directional asymmetry, each structure by itself.

    Notes
    -----
    Without directional asymmetry a subject is as likely as its mirror image, so each subject's
    asymmetry may take either sign.  The statistic is ``sum_l |mean_i s_i a_il|^2`` over
    the landmarks of the structure, s_i = ±1; landmarks of one subject keep together, so their
    dependence does not matter.  p counts the patterns of signs, the observed one among them,
    whose statistic is as large.
    """
    differences = 2 * (symmetry.directional + symmetry.fluctuating)
    signs = sign_patterns(len(differences), permutations, np.random.default_rng(seed))
    left = left_half(symmetry.scheme)
    rows = [
        (name, *_measures(differences[:, mask], left[mask], signs))
        for name, mask in structures(symmetry.scheme).items()
    ]
    return np.array(rows, dtype=COLUMNS)


def structures(scheme: LandmarkScheme) -> dict[str, np.ndarray]:
    """Masks (L,) of the tubes, of the levels with the roots of both sides, and of all."""
    masks: dict[str, np.ndarray] = {}
    for block in scheme.blocks:
        name = block.name if block.kind == "tube" else block.name.rsplit("/", 1)[0]
        mask = masks.setdefault(name, np.zeros(scheme.size, dtype=bool))
        mask[scheme.span(block.name)] = True
    return masks | {"all": np.ones(scheme.size, dtype=bool)}


def sign_patterns(n: int, most: int, rng: np.random.Generator) -> np.ndarray:
    """Patterns (P, n) of ±1, the observed one first; a pattern and its opposite are one.

    Examples
    --------
    >>> sign_patterns(3, 9999, np.random.default_rng(0)).astype(int).tolist()
    [[1, 1, 1], [1, 1, -1], [1, -1, 1], [1, -1, -1]]
    """
    if 2 ** (n - 1) <= most + 1:
        bits = np.arange(2 ** (n - 1))[:, None] >> np.arange(n - 1, -1, -1) & 1
        return 1.0 - 2.0 * bits
    drawn = rng.choice([-1.0, 1.0], size=(most, n))
    return np.concatenate([np.ones((1, n)), drawn])


def _measures(differences: np.ndarray, left: np.ndarray, signs: np.ndarray) -> tuple[float, ...]:
    """The columns of one structure from its asymmetry (S, l, 3)."""
    present = ~np.isnan(differences[..., 0])
    count = present.sum(axis=0)
    filled = np.where(present[..., None], differences, 0.0)
    mean = filled.sum(axis=0) / count[:, None]
    squares = (np.where(present[..., None], differences - mean, 0.0) ** 2).sum(axis=(0, 2))
    degrees = np.maximum(count - 1, 1)
    return (
        int(present.any(axis=1).sum()),
        _root_mean(np.sum(mean**2, axis=1)),
        *mean[left].mean(axis=0),
        float(np.sqrt(squares.sum() / degrees.sum())),
        _root_mean(squares / degrees / count),
        _sign_flip_p(filled / count[:, None], signs),
    )


def _root_mean(squares: np.ndarray) -> float:
    return float(np.sqrt(squares.mean()))


def _sign_flip_p(shares: np.ndarray, signs: np.ndarray) -> float:
    """Share of sign patterns whose squared sum of ``shares`` (S, l, 3) is as large as observed."""
    flat = shares.reshape(len(shares), -1)
    gram = flat @ flat.T
    statistic = np.einsum("ps,ps->p", signs @ gram, signs)
    return float((statistic >= statistic[0] * (1 - 1e-9)).mean())
