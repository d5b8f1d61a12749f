"""Models of a part of the population: one structure, the symmetric part, given covariates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from atlas.model.shape_model import ShapeModel, mode_signs, weighted_modes
from atlas.sampling.designs import SamplingError


def vary_structure(
    model: ShapeModel, structures: Sequence[str], *, share: float = 0.95
) -> ShapeModel:
    """The model in which some structures vary and all others are where they are expected then.

    Parameters
    ----------
    model : ShapeModel
    structures : sequence of str
        Blocks of the scheme, or the beginnings of their names: ``cord``, ``root/L5``.
    share : float
        Of the structures' variance that is to vary; above 0, at most 1.

    Returns
    -------
    ShapeModel
        With the fewest modes that hold the share.

    Raises
    ------
    SamplingError
        No such structure, or a share out of range.

    Notes
    -----
    With loadings A and standard normal scores c a shape is ``mean + A c``.  Of the structures'
    rows ``A_B = U S V'`` the first k right singular vectors hold the most of their variance; given
    ``V_k' c`` the expectation of c is ``V_k V_k' c``, so ``mean + A V_k z`` varies the structures
    by k of their own modes and keeps the rest at its conditional mean.  With all modes that would
    be the model itself: a structure of a thousand coordinates determines a dozen scores.
    """
    if not 0 < share <= 1:
        raise SamplingError(f"share: expected above 0 and at most 1, got {share:g}")
    mask = structure_mask(model, structures)
    loadings = np.moveaxis(model.modes * np.sqrt(model.variance)[:, None, None], 0, 2)
    _, size, turned = np.linalg.svd(loadings[mask].reshape(-1, model.n_modes), full_matrices=False)
    held = np.cumsum(size**2) / (size**2).sum()
    k = int(np.searchsorted(held, share * (1 - 1e-12))) + 1
    return _remodelled(model, model.mean, loadings @ turned[:k].T)


def structure_mask(model: ShapeModel, structures: Sequence[str]) -> np.ndarray:
    """Mask (L,) of the landmarks of structures, by name or the beginning of one.

    Raises
    ------
    SamplingError
        A name no structure has.
    """
    mask = np.zeros(model.scheme.size, dtype=bool)
    for wanted in structures:
        blocks = [
            b.name
            for b in model.scheme.blocks
            if b.name == wanted or b.name.startswith(f"{wanted}/")
        ]
        if not blocks:
            known = [b.name for b in model.scheme.blocks]
            raise SamplingError(f"structure: expected one of {known}, or 'root/L5', got {wanted!r}")
        for name in blocks:
            mask[model.scheme.span(name)] = True
    return mask


def condition_on_covariates(
    model: ShapeModel,
    scores: np.ndarray,
    covariates: Mapping[str, np.ndarray],
    given: Mapping[str, float],
) -> ShapeModel:
    """The model of people with given covariates, by regression of the scores.

    Parameters
    ----------
    model : ShapeModel
    scores : (S, K) float
        Of the subjects, SD.
    covariates : mapping of str to (S,) float
        Of the subjects; NaN where not known, and the subject is then left out.
    given : mapping of str to float

    Returns
    -------
    ShapeModel
        ``c | u ~ N(B u, (1 + h) V)``: V the covariance of the residuals (n - p - 1), h the leverage
        of what is given, so that the uncertainty of the regression itself is in the spread.

    Raises
    ------
    SamplingError
        A covariate that is not there or does not vary, or too few subjects to say anything.
    """
    unknown = [name for name in given if name not in covariates]
    if unknown or not given:
        raise SamplingError(f"covariates: expected some of {sorted(covariates)}, got {unknown}")
    design = np.column_stack([covariates[name] for name in given]).astype(float)
    there = np.isfinite(design).all(axis=1)
    n, p = int(there.sum()), len(given)
    if n < p + 4:
        raise SamplingError(
            f"covariates: expected at least {p + 4} subjects with {sorted(given)}, got {n}"
        )
    spread = design[there].std(axis=0, ddof=1)
    if (spread == 0).any():
        raise SamplingError(f"covariates: expected ones that vary, got SD {spread}")
    centre = design[there].mean(axis=0)
    x = np.column_stack([np.ones(n), (design[there] - centre) / spread])
    at = np.concatenate([[1.0], (np.array([given[v] for v in given]) - centre) / spread])
    inverse = np.linalg.pinv(x)
    fit = inverse @ scores[there]
    residual = scores[there] - x @ fit
    leverage = float(((at @ inverse) ** 2).sum())
    root = np.sqrt((1 + leverage) / (n - p - 1)) * residual.T
    loadings = np.moveaxis(model.modes * np.sqrt(model.variance)[:, None, None], 0, 2)
    return _remodelled(model, model.mean + loadings @ (at @ fit), loadings @ root)


def _remodelled(model: ShapeModel, mean: np.ndarray, loadings: np.ndarray) -> ShapeModel:
    """The model with another mean (L, 3) and other loadings (L, 3, k)."""
    assert model.weights is not None  # filled in at construction
    modes, variance = weighted_modes(loadings, model.weights)
    signs = mode_signs(modes, model.scheme)[:, None, None]
    return replace(model, mean=mean, modes=modes * signs, variance=variance)
