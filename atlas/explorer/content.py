"""What a page holds of an atlas: words, numbers and arrays; the page computes the rest.

Sent are landmarks, not vertices: mean and modes, and the layout of the meshes.  The page makes
surfaces of them by the mathematics of :mod:`atlas.mesh.surfaces.tubes`, so that any shape is exact.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.stats import chi2

from atlas.data.subject import LEVELS
from atlas.errors import AtlasError
from atlas.explorer.packing import pack_arrays
from atlas.landmarks.scheme import Block
from atlas.mesh.formats.colours import colour_of
from atlas.mesh.formats.statements import AXES, FRAME, UNIT
from atlas.mesh.surfaces.bands import disc_weights
from atlas.mesh.surfaces.layout import MeshLayout, TubeLayout, mesh_layout
from atlas.mesh.surfaces.mode_targets import SD_MEANING, mode_targets, vertex_sd_mm
from atlas.mesh.surfaces.named_surfaces import Surfaces, surfaces
from atlas.model.shape_model import ShapeModel
from atlas.store import Atlas

FORMAT = 1
# Of the meshes in the page: roots have six sides at any edge, and walls look round at this one.
EDGE_MM = 1.5
# Sliders; a sum of scores over more would move nothing one can see.
MOST_MODES = 8
# Share of the population an ellipsoid is meant to hold.
PROBABILITY = 0.95
# Cividis, read alike by colour-blind readers: Nunez, Anderton & Renslow 2018,
# doi:10.1371/journal.pone.0199239; equal steps from the least to the most.
RAMP = (
    "#00224E",
    "#002E6C",
    "#1E3A6F",
    "#35456C",
    "#47516C",
    "#575D6D",
    "#666970",
    "#757575",
    "#848279",
    "#948E77",
    "#A59C74",
    "#B7A96E",
    "#C8B866",
    "#DBC75A",
    "#EED649",
    "#FEE838",
)
GENERATED = "Generated shape, no part of it traced"


class ExplorerError(AtlasError):
    """An atlas the page cannot show; the text says why and what to do."""


@dataclass(frozen=True, slots=True)
class ExplorerOptions:
    """How an atlas is shown.

    Parameters
    ----------
    edge_mm : float
        Length of edges of the meshes aimed at.
    modes : int
        Sliders at most.
    """

    edge_mm: float = EDGE_MM
    modes: int = MOST_MODES


def page_content(atlas: Atlas, options: ExplorerOptions | None = None) -> dict[str, Any]:
    """JSON values of everything the page shows.

    Parameters
    ----------
    atlas : Atlas
        Its mean complete.
    options : ExplorerOptions, optional

    Returns
    -------
    dict
        Words and numbers; under ``arrays`` the packed arrays, mm: ``mean`` (L, 3), ``modes``
        (K, L, 3) displacements at +1 SD, and of each structure ``faces/…`` (F, 3), ``sd/…`` (V,)
        and the weights ``rostral/…``, ``caudal/…`` (p, rim) of its flat caps.

    Raises
    ------
    ExplorerError
        The mean has missing landmarks, or there is no mode.
    """
    options = options or ExplorerOptions()
    model = atlas.model
    _check(model)
    shown = model.n_modes if options.modes >= model.n_modes else max(1, options.modes)
    mean = model.scheme.anatomy(model.mean)
    layout = mesh_layout(mean, edge_mm=options.edge_mm)
    meshes = surfaces(mean, layout=layout)
    scale = np.sqrt(model.variance[:shown])[:, None, None]
    arrays = {"mean": model.mean, "modes": model.modes[:shown] * scale}
    packed = {name: np.asarray(values, np.float32) for name, values in arrays.items()}
    packed |= _mesh_arrays(model, layout, meshes)
    return {
        "format": FORMAT,
        **_words(atlas),
        "frame": f"{FRAME}: {AXES}",
        "unit": UNIT,
        "edge_mm": options.edge_mm,
        "levels": list(LEVELS),
        "modes": [
            {"share": float(share), "sd_mm": float(variance**0.5)}
            for share, variance in zip(model.explained[:shown], model.variance, strict=False)
        ],
        "plausible_radius_sd": float(np.sqrt(chi2.ppf(PROBABILITY, shown))),
        "structures": _structures(model, layout, meshes),
        "ellipsoids": _ellipsoids(model),
        "ramp": list(RAMP),
        "arrays": pack_arrays(packed),
    }


def _check(model: ShapeModel) -> None:
    missing = ~np.isfinite(model.mean).all(axis=1)
    if missing.any():
        name = model.scheme.names[int(missing.argmax())]
        raise ExplorerError(
            f"mean: expected every landmark to have a place, got {missing.sum()} missing, the "
            f"first {name}; build with --extent common"
        )
    if not model.n_modes:
        raise ExplorerError("modes: expected at least one, got none; build from more subjects")


def _words(atlas: Atlas) -> dict[str, Any]:
    origin, model = atlas.provenance, atlas.model
    findings = [
        f"{f.get('place', '')}: {f.get('message', '')}"
        for f in origin.get("findings", [])
        if f.get("severity") == "warning" and not f.get("subject")
    ]
    return {
        "n_subjects": model.n_subjects,
        "n_modes": model.n_modes,
        "subjects": [str(name) for name in atlas.alignment.landmarks.subject_ids],
        "anchor": str(atlas.alignment.anchor),
        "generated": GENERATED,
        "sd_meaning": SD_MEANING,
        "findings": findings,
        "version": str(origin.get("software", {}).get("version", "")),
        **{k: str(origin.get(k) or "") for k in ("notice", "attribution", "disclaimer", "created")},
    }


def _mesh_arrays(model: ShapeModel, layout: MeshLayout, meshes: Surfaces) -> dict[str, np.ndarray]:
    spread = vertex_sd_mm(mode_targets(model, layout))
    arrays: dict[str, np.ndarray] = {}
    for name, mesh in meshes.items():
        small = len(mesh.vertices) <= np.iinfo(np.uint16).max
        arrays[f"faces/{name}"] = mesh.faces.astype(np.uint16 if small else np.uint32)
        arrays[f"sd/{name}"] = spread[name].astype(np.float32)
    for name in ("dura", "cord"):
        tube = layout[name]
        arrays[f"rostral/{name}"] = disc_weights(tube.around[0], 0)
        if tube.tip is None:
            last = len(tube.around) - 1
            arrays[f"caudal/{name}"] = disc_weights(tube.around[-1], last % 2)
    return {k: a.astype(np.float32) if a.dtype == np.float64 else a for k, a in arrays.items()}


def _structures(model: ShapeModel, layout: MeshLayout, meshes: Surfaces) -> list[dict[str, Any]]:
    """Of each structure its landmarks, its layout, its colour and its assumed radius."""
    result, start = [], 0
    for block in model.scheme.blocks:
        tube, colour = layout[block.name], colour_of(block.name)
        level = block.name.split("/")[1] if block.kind == "curve" else ""
        result.append(
            {
                "name": block.name,
                "level": level,
                "side": block.name.rsplit("/", 1)[1] if level else "",
                "colour": [colour.red, colour.green, colour.blue],
                "opacity": colour.opacity,
                "landmarks": {"start": start, "rings": block.levels, "around": block.around},
                "layout": _layout(tube),
                "radius_mm": list(meshes.root_radius_mm[level]) if level else None,
                "vertices": len(meshes[block.name].vertices),
            }
        )
        start += block.size
    return result


def _layout(tube: TubeLayout) -> dict[str, Any]:
    tip = tube.tip
    return {
        "places": list(tube.places),
        "around": list(tube.around),
        "rostral": list(tube.rostral),
        "caudal": list(tube.caudal),
        "tip": {"turns": list(tip.turns), "height": tip.height} if tip else None,
    }


def _ellipsoids(model: ShapeModel) -> list[dict[str, Any]]:
    """Begin and ganglion of each root: mean (3,) and semi-axes (3, 3), in columns, mm."""
    reach = np.sqrt(chi2.ppf(PROBABILITY, 3))
    places = [
        (block, kind, model.scheme.span(block.name).start + at)
        for block in model.scheme.blocks
        if block.kind == "curve"
        for kind, at in (("begin", 0), ("ganglion", block.levels - 1))
    ]
    return [
        {**_named(block), "kind": kind, "centre": model.mean[i].tolist(), "axes": axes.tolist()}
        for block, kind, i in places
        for axes in [reach * _semi_axes(model, i)]
    ]


def _named(block: Block) -> dict[str, str]:
    _, level, side = block.name.split("/")
    return {"level": level, "side": side}


def _semi_axes(model: ShapeModel, landmark: int) -> np.ndarray:
    """Axes (3, 3), in columns, of a landmark's ellipsoid at 1 SD; modes and noise."""
    loading = np.sqrt(model.variance)[:, None] * model.modes[:, landmark]
    covariance = loading.T @ loading + model.noise_sd[landmark] ** 2 * np.eye(3)
    variance, axes = np.linalg.eigh(covariance)
    # A right-handed set: a left-handed one would turn the ellipsoid inside out.
    axes[:, 0] *= np.sign(np.linalg.det(axes))
    return axes * np.sqrt(np.maximum(variance, 0))
