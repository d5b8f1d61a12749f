"""Anatomies as the rules take them: batched, in their own frames, with assumed radii."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from atlas.data.subject import RootKey
from atlas.errors import AtlasError
from atlas.landmarks.scheme import Anatomy, LandmarkScheme
from atlas.mesh.surfaces.radii import ROOT_RADIUS_MM, RadiusOption, radii_by_level
from atlas.mesh.validity.clearance import own_frames
from atlas.mesh.validity.rule_margins import Batch


class ValidityError(AtlasError):
    """A rule that does not exist, or an anatomy that no rule can be held against."""


def batch_of(anatomy: Anatomy, *, root_radius_mm: RadiusOption = ROOT_RADIUS_MM) -> Batch:
    """One anatomy as the rules take it, in its own frame."""
    keys = tuple(anatomy.roots)
    longest = max([2, *(len(root) for root in anatomy.roots.values())])
    roots = np.full((1, len(keys), longest, 3), np.nan)
    for k, key in enumerate(keys):
        roots[0, k, : len(anatomy.roots[key])] = anatomy.roots[key]
    nowhere = np.full(3, np.nan)
    ganglia = np.array([anatomy.ganglia.get(key, nowhere) for key in keys]).reshape(1, -1, 3)
    counts = [len(anatomy.roots[key]) for key in keys]
    radii = _radii(keys, counts, longest, root_radius_mm)
    return _framed(Batch(anatomy.dura[None], anatomy.cord[None], roots, ganglia, keys, radii))


def batch_of_scheme(
    points: np.ndarray,
    scheme: LandmarkScheme,
    *,
    root_radius_mm: RadiusOption = ROOT_RADIUS_MM,
) -> Batch:
    """Shapes (N, L, 3) of one scheme as the rules take them, each in its own frame."""
    parts = {b.name: (b, points[:, scheme.span(b.name)]) for b in scheme.blocks}
    tubes = [
        part.reshape(len(points), block.levels, block.around, 3)
        for block, part in (parts["dura"], parts["cord"])
    ]
    named = {
        RootKey(*name.split("/")[1:]): part
        for name, (block, part) in parts.items()
        if block.kind == "curve"
    }
    longest = max([2, *(part.shape[1] for part in named.values())])
    roots = np.full((len(points), len(named), longest, 3), np.nan)
    ganglia = np.full((len(points), len(named), 3), np.nan)
    for k, part in enumerate(named.values()):
        roots[:, k, : part.shape[1]] = part
        ganglia[:, k] = part[:, -1]
    keys = tuple(named)
    counts = [part.shape[1] for part in named.values()]
    radii = _radii(keys, counts, longest, root_radius_mm)
    return _framed(Batch(tubes[0], tubes[1], roots, ganglia, keys, radii))


def _radii(
    keys: tuple[RootKey, ...], counts: list[int], longest: int, option: RadiusOption
) -> np.ndarray:
    """Assumed radii (K, longest) mm of root points; NaN after the end of the shorter roots."""
    by_level = radii_by_level(option, {key.level for key in keys})
    radii = np.full((len(keys), longest), np.nan)
    for k, (key, count) in enumerate(zip(keys, counts, strict=True)):
        radii[k, :count] = np.linspace(*by_level[key.level], count)
    return radii


def _framed(batch: Batch) -> Batch:
    """A batch in native frames, moved into the anatomies' own."""
    frames = own_frames(batch.dura)
    if np.isnan(frames).any():
        raise ValidityError("dura: expected at least 2 rings that are not missing, got fewer")
    # From the sac's middle, so that rounding is that of its size, not of its place in the room.
    origin = np.nanmean(batch.dura, axis=(1, 2))

    def own(part: np.ndarray) -> np.ndarray:
        flat = part.reshape(len(part), -1, 3) - origin[:, None]
        return (flat @ frames).reshape(part.shape)

    return replace(
        batch,
        dura=own(batch.dura),
        cord=own(batch.cord),
        roots=own(batch.roots),
        ganglia=own(batch.ganglia),
    )
