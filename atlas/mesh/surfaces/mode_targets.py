"""How a model's modes move the vertices of a mesh: for sliders, and for the spread of a vertex."""

from __future__ import annotations

import numpy as np

from atlas.mesh.formats.glb import MorphTargets
from atlas.mesh.surfaces.layout import MeshLayout
from atlas.mesh.surfaces.named_surfaces import surfaces
from atlas.mesh.surfaces.radii import ROOT_RADIUS_MM, RadiusOption
from atlas.model.shape_model import ShapeModel

SD_MEANING = (
    "standard deviation of a vertex over the modes of the model, all three coordinates together, mm"
)


def mode_targets(
    model: ShapeModel, layout: MeshLayout, root_radius_mm: RadiusOption = ROOT_RADIUS_MM
) -> MorphTargets:
    """Displacement of every vertex by each mode at +1 SD.

    Parameters
    ----------
    model : ShapeModel
    layout : MeshLayout
        Of the meshes to be moved.
    root_radius_mm : float or mapping
        As in :func:`atlas.mesh.surfaces.named_surfaces.surfaces`.

    Returns
    -------
    mapping of ``mode 1`` … to mapping of structure to (V, 3) float
        mm.

    Notes
    -----
    Half the difference of the surfaces at +1 and -1 SD.  Dura and cord are linear in the landmarks,
    so this is exact for them at any weight; roots turn with their curve, so for them it is the best
    line through both sides of the mean.
    """
    targets = {}
    for k in range(model.n_modes):
        scores = np.zeros(k + 1)
        scores[k] = 1
        plus, minus = (
            surfaces(
                model.scheme.anatomy(model.shape(sign * scores)),
                layout=layout,
                root_radius_mm=root_radius_mm,
            )
            for sign in (1, -1)
        )
        targets[f"mode {k + 1}"] = {
            name: (plus[name].vertices - minus[name].vertices) / 2 for name in plus
        }
    return targets


def vertex_sd_mm(targets: MorphTargets) -> dict[str, np.ndarray]:
    """Standard deviation (V,) mm of each vertex over the modes, by structure.

    The root of the summed squares of its displacements at 1 SD, all coordinates together; what
    the modes do not hold, the model's noise, is not in it.
    """
    modes = list(targets.values())
    return {
        name: np.sqrt(sum((mode[name] ** 2).sum(axis=1) for mode in modes)) for name in modes[0]
    }
