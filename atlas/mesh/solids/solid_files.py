"""Solids in files: what was assumed or decided, for the provenance, and tetrahedra as VTU."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from atlas.mesh.formats.statements import MeshFileError
from atlas.mesh.formats.vtk import write_vtu
from atlas.mesh.solids.solids import FINDING_COLUMNS, Solids
from atlas.mesh.surfaces.named_surfaces import Mesh

TETRAHEDRA = "_tetrahedra.vtu"


def solids_document(meshes: Mapping[str, Mesh]) -> dict[str, Any]:
    """What was assumed, extrapolated and decided to make solids, as JSON values.

    Parameters
    ----------
    meshes : mapping of str to Mesh
        :class:`atlas.mesh.solids.solids.Solids`; of other meshes nothing is known.

    Returns
    -------
    dict
        ``assumed_mm``, ``extrapolated_mm``, ``findings`` and what their columns mean; empty where
        the meshes are no solids.
    """
    if not isinstance(meshes, Solids):
        return {}
    return {
        "assumed_mm": dict(meshes.assumed_mm),
        "extrapolated_mm": {name: round(mm, 3) for name, mm in meshes.extrapolated_mm.items()},
        "findings": meshes.rows(),
        "finding_columns": FINDING_COLUMNS,
    }


def write_tetrahedra(
    meshes: Mapping[str, Mesh], folder: Path, *, name: str, notice: str
) -> tuple[Path, dict[str, Any]]:
    """Fill solids with tetrahedra and write them as one VTU.

    Parameters
    ----------
    meshes : Solids
    folder : path
    name : str
        Of the shape; the file is ``<name>_tetrahedra.vtu``.
    notice : str
        What the file says of itself.

    Returns
    -------
    path : Path
    document : dict
        Number, quality by region and what the columns mean, as JSON values.

    Raises
    ------
    MeshFileError
        The meshes are no solids.
    TetrahedraError
        TetGen is not installed, or does not accept the walls.
    """
    from atlas.mesh.solids.tetrahedra import QUALITY_COLUMNS, tetrahedra

    if not isinstance(meshes, Solids):
        raise MeshFileError(
            f"{name}: expected solids to fill with tetrahedra, got surfaces; add --solids"
        )
    filled = tetrahedra(meshes)
    path = write_vtu(
        np.array(filled.points),
        filled.tetrahedra,
        folder / f"{name}{TETRAHEDRA}",
        labels=filled.labels,
        names=filled.names,
        notice=notice,
    )
    document = {
        "made_by": "TetGen (Si 2015, doi:10.1145/2629697), AGPL-3.0",
        "regions": {str(label): region for label, region in filled.names.items()},
        "quality": filled.quality(meshes),
        "quality_columns": QUALITY_COLUMNS,
    }
    return path, document
