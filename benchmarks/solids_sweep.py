"""Make solids of every subject of a cohort, of its mean and of its modes, and list what fails.

python benchmarks/solids_sweep.py MODEL [--modes 5] [--extend-sac] [--out FILE]: MODEL is the
model.h5 of a build; prints JSON, a row a shape; ``COLUMNS`` says what they mean.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from summaries import tell

from atlas.errors import AtlasError
from atlas.landmarks.scheme import Anatomy
from atlas.mesh.solids.complexes import WallComplex, pinched_edges, unpaired_edges
from atlas.mesh.solids.intersections import self_intersections
from atlas.mesh.solids.severed_pieces import pieces
from atlas.mesh.solids.solids import Solids, sides_of_sac, solids
from atlas.mesh.surfaces.named_surfaces import surfaces
from atlas.mesh.validity.validity import check
from atlas.store import Atlas, load_atlas

COLUMNS = {
    "shape": "subject, mean, or mode and SD",
    "failure": "why there are no solids; empty where there are",
    "invalid": "rules of geometry and anatomy the shape breaks",
    "regions": "number of regions",
    "triangles": "triangles of all walls",
    "open_edges": "edges at which a region does not close; 0 where all are watertight",
    "self_intersections": "pairs of triangles of the complex that meet outside what they share",
    "pinched": "regions that touch themselves along an edge",
    "several_pieces": "regions that are not of one piece",
    "sum_error": "sum of the regions in the sac over the volume of the sac, minus 1",
    "cord_error": "volume of the cord over that of its surface, minus 1",
    "angle_min_deg": "smallest angle, degrees",
    "thin": "triangles with an angle under 5 degrees",
    "edge_min_mm": "shortest edge, mm",
    "angle_p1_deg": "1st percentile over triangles of the smallest angle, degrees",
    "overlaps": "pairs of roots that overlap at the assumed radius",
    "overlap_mm3": "volume those share, mm³",
    "crumbs": "pieces given to a neighbour",
    "detached": "parts of more than 2 % of their region cut off and given to a neighbour",
    "begins_off_mm": "largest distance of a root's first point from the cord, mm",
    "cord_cut_mm": "how far the cord reaches below the sac's last ring, mm",
    "seconds": "wall time, s",
}


def shapes(atlas: Atlas, modes: int) -> Iterator[tuple[str, Anatomy]]:
    """Subjects as they were placed, the mean, and each mode at 1, 2 and 3 SD."""
    model, marks = atlas.model, atlas.alignment.landmarks
    for name, points in zip(marks.subject_ids, atlas.alignment.points, strict=True):
        if np.isfinite(points).all():
            yield name, model.scheme.anatomy(points)
    yield "mean", model.scheme.anatomy(model.mean)
    for mode in range(min(modes, len(model.variance))):
        for sd in (-3, -2, -1, 1, 2, 3):
            scores = np.zeros(len(model.variance))
            scores[mode] = sd
            yield f"mode {mode + 1} {sd:+d} SD", model.scheme.anatomy(model.shape(scores))


def row(name: str, anatomy: Anatomy, extend_sac: bool) -> dict[str, Any]:
    """What one shape gives."""
    invalid = [r.rule for r in check(anatomy).failures if r.kind != "extent"]
    begin = time.perf_counter()
    try:
        made = solids(anatomy, extend_sac=extend_sac)
    except AtlasError as error:
        return {"shape": name, "failure": str(error), "invalid": invalid}
    seconds = time.perf_counter() - begin
    return {
        "shape": name,
        "failure": "",
        "invalid": invalid,
        **measured(made, anatomy, extend_sac),
        "seconds": seconds,
    }


def measured(made: Solids, anatomy: Anatomy, extend_sac: bool) -> dict[str, Any]:
    """Numbers of the complex and of its findings."""
    walls, plain = made.walls, surfaces(anatomy)
    within = sides_of_sac(walls.names)
    total = sum(mesh.volume_mm3 for region, mesh in made.items() if within[region])
    angles = _angles_deg(walls)
    kinds: dict[str, list[float]] = {}
    for finding in made.findings:
        kinds.setdefault(finding.kind, []).append(finding.amount)
    severed = [r for r in walls.regions if (pieces(walls, r)[2] > 0).sum() > 1]
    return {
        "regions": len(made),
        "triangles": len(walls.triangles),
        "open_edges": len(unpaired_edges(walls)),
        "self_intersections": len(self_intersections(walls.vertices, walls.triangles)),
        "pinched": list(pinched_edges(walls)),
        "several_pieces": severed,
        "sum_error": None if extend_sac else total / plain["dura"].volume_mm3 - 1,
        "cord_error": made["cord"].volume_mm3 / plain["cord"].volume_mm3 - 1,
        "angle_min_deg": float(angles.min()),
        "thin": int((angles < 5).sum()),
        "edge_min_mm": _shortest_edge_mm(walls),
        "angle_p1_deg": float(np.percentile(angles, 1)),
        "overlaps": len(kinds.get("overlap", [])),
        "overlap_mm3": sum(kinds.get("overlap", [])),
        "crumbs": len(kinds.get("crumb", [])),
        "detached": [f.message for f in made.findings if f.kind == "detached"],
        "begins_off_mm": max(kinds.get("begin", [0.0])),
        "cord_cut_mm": max(kinds.get("cut-off", [0.0])),
    }


def _angles_deg(walls: WallComplex) -> np.ndarray:
    """Smallest angle (T,) of each triangle, degrees."""
    corners = walls.vertices[walls.triangles]
    a, b, c = np.sort(np.linalg.norm(np.roll(corners, -1, axis=1) - corners, axis=2), axis=1).T
    return np.degrees(np.arccos(np.clip((b * b + c * c - a * a) / (2 * b * c), -1, 1)))


def _shortest_edge_mm(walls: WallComplex) -> float:
    corners = walls.vertices[walls.triangles]
    return float(np.linalg.norm(np.roll(corners, -1, axis=1) - corners, axis=2).min())


def main() -> None:
    """Parse the arguments, run, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", type=Path)
    parser.add_argument("--modes", type=int, default=5)
    parser.add_argument("--extend-sac", action="store_true")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    rows = []
    for name, anatomy in shapes(load_atlas(options.model), options.modes):
        rows.append(row(name, anatomy, options.extend_sac))
        print(name, rows[-1]["failure"] or "made", file=sys.stderr, flush=True)
    tell({"columns": COLUMNS, "rows": rows}, options.out)


if __name__ == "__main__":
    main()
