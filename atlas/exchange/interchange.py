"""From the shape model of an atlas to statistical models that know nothing of its scheme."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from atlas.components.principal import RELATIVE_TOLERANCE
from atlas.exchange.statismo import ModelInfo, StatisticalModel, write_catalog, write_model
from atlas.landmarks.scheme import Block
from atlas.model.shape_model import ShapeModel
from atlas.procrustes.alignment import Alignment

if TYPE_CHECKING:
    import h5py


@dataclass(frozen=True, slots=True, eq=False)
class Marginal:
    """A model on some of its points, in the plain inner product.

    Parameters
    ----------
    model : StatisticalModel
    turn : (k, K) float
        From coefficients of the shape model to those of this one, both in SD.
    noise : (n,) float
        Noise variance of each landmark, mm² per coordinate; ``model.noise`` is its mean.
    """

    model: StatisticalModel
    turn: np.ndarray
    noise: np.ndarray


def marginal(model: ShapeModel, *, block: str | None = None) -> Marginal:
    """The distribution of one structure, or of all of them.

    Parameters
    ----------
    model : ShapeModel
    block : str, optional
        ``dura`` or ``cord``; by default every landmark.

    Returns
    -------
    Marginal
        Modes orthonormal in the plain inner product, by falling variance, signed like the mode of
        the atlas they hold most of.  Tubes carry the triangles of their wall.

    Notes
    -----
    With loadings ``A = modes sqrt(variance)`` restricted to the block and ``A = U S V^T``, the
    covariance is ``A A^T = U S^2 U^T``: the modes are U, the variances S², and the coefficients
    turn by ``V^T``.  This also takes the weights out of the modes.  One number is all the layout
    has for the noise: where it differs between landmarks the mean is given.
    """
    span = slice(None) if block is None else model.scheme.span(block)
    loadings = np.sqrt(model.variance)[:, None, None] * model.modes[:, span]
    u, size, turn = np.linalg.svd(loadings.reshape(model.n_modes, -1).T, full_matrices=False)
    kept = size**2 > RELATIVE_TOLERANCE * size[0] ** 2
    u, size, turn = u[:, kept], size[kept], turn[kept]
    largest = np.take_along_axis(turn, np.abs(turn).argmax(axis=1)[:, None], axis=1)[:, 0]
    sign = np.where(largest < 0, -1.0, 1.0)
    cells = _wall_cells(model, block)
    noise = noise_variance(model)[span]
    return Marginal(
        model=StatisticalModel(
            mean=model.mean[span],
            modes=(u * sign).T.reshape(len(size), -1, 3),
            variance=size**2,
            noise=float(noise.mean()),
            cells=cells,
            dataset_type="POINT_SET" if cells is None else "POLYGON_MESH",
        ),
        turn=turn * sign[:, None],
        noise=noise,
    )


def noise_variance(model: ShapeModel) -> np.ndarray:
    """Noise variance (L,) of each landmark of a model, mm² per coordinate."""
    assert model.noise_share is not None  # filled in at construction, as weights are
    assert model.weights is not None
    return model.noise * model.noise_share / model.weights


def tube_cells(block: Block) -> np.ndarray:
    """Triangles (T, 3) of the wall of a tube over its landmarks, outward; the ends are open.

    The diagonals alternate, so that the mirror image of a shape has the mirror image of its mesh.
    """
    ring, place = np.mgrid[: block.levels - 1, : block.around]
    a, b = ring * block.around + place, ring * block.around + (place + 1) % block.around
    c, d = a + block.around, b + block.around
    falling = np.stack([a, b, c, b, d, c], axis=-1)
    rising = np.stack([a, b, d, a, d, c], axis=-1)
    even = ((ring + place) % 2 == 0)[..., None]
    return np.where(even, falling, rising).reshape(-1, 3)


def _wall_cells(model: ShapeModel, block: str | None) -> np.ndarray | None:
    walls = [
        tube_cells(b) + (model.scheme.span(b.name).start if block is None else 0)
        for b in model.scheme.blocks
        if b.kind == "tube" and block in (None, b.name)
    ]
    return np.concatenate(walls) if walls else None


def write_models(
    file: h5py.Group,
    model: ShapeModel,
    alignment: Alignment,
    provenance: Mapping[str, Any],
    *,
    scores: np.ndarray | None = None,
) -> None:
    """Write the whole model at the root, each tube in a group of its name, and a catalog.

    The root is a ``POLYGON_MESH``: its cells are the walls of dura and cord, and the landmarks of
    the roots are points without cells.  The mesh readers of statismo insist on cells, and every
    reader of scalismo, those of point sets too, accepts this kind; it refuses triangles beside
    lines.

    Parameters
    ----------
    file : h5py.Group
        The root of a file.
    model : ShapeModel
    alignment : Alignment
        Its subjects give the scores.
    provenance : mapping of str to object
        ``created`` is the build time.
    scores : (S, K) float, optional
        Of the subjects, where they are known already.
    """
    if scores is None:
        scores = model.scores(alignment.points)
    parts: dict[str, StatisticalModel] = {}
    for block in (None, *(b.name for b in model.scheme.blocks if b.kind == "tube")):
        part = marginal(model, block=block)
        place = file if block is None else file.create_group(block)
        write_model(place, part.model, _info(part, scores, alignment, provenance))
        if block is not None:
            parts[block] = part.model
    write_catalog(file, parts)


def _info(
    part: Marginal, scores: np.ndarray, alignment: Alignment, provenance: Mapping[str, Any]
) -> ModelInfo:
    low, high = float(part.noise.min()), float(part.noise.max())
    uniform = bool(np.isclose(low, high, rtol=1e-6, atol=0))
    noise = "uniform" if uniform else f"mean of {low:.6g} to {high:.6g} mm2 a landmark"
    software = provenance.get("software", {})
    builder = f"{software.get('name', 'lumbosacral-atlas')} {software.get('version', '')}"
    return ModelInfo(
        scores=part.turn @ scores.T,
        build_time=str(provenance.get("created", "unknown")),
        builder=builder.strip(),
        data={f"subject-{i}": s for i, s in enumerate(alignment.landmarks.subject_ids)},
        parameters={
            "coordinates": "LPS",
            "unit": "mm",
            "variance": "n - 1",
            "noise": noise,
            "anchor": alignment.anchor,
            "rotation": alignment.rotations,
            "scale": alignment.scaling,
            "weights": alignment.weighting,
            "notice": str(provenance.get("notice") or "none"),
        },
    )
