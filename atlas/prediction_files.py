"""A prediction as files: Slicer Markups, meshes, intervals, and a table a root."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from atlas.data.markups import format_markups
from atlas.data.subject import ROOT_KEYS, RootKey
from atlas.files import new_folder, write_file
from atlas.mesh.formats import write_surfaces
from atlas.mesh.surfaces import surfaces
from atlas.predict import LEVELS, Prediction
from atlas.shape.scheme import block_name
from atlas.store import Atlas

NOTICE = "predicted from a statistical atlas, not imaged"
STL_NOTICE = "predicted, not imaged; see intervals.csv"
PROOF = "intervals.csv"


@dataclass(frozen=True, slots=True)
class RootPrediction:
    """What is predicted of one root, mm and degrees; radii hold the point at 95 % on average.

    Depths are below the centroid of the first dura ring; the angle is the median about the centroid
    of the nearest ring, from dorsal, + left.
    """

    key: RootKey
    seen: bool
    begin_below_apex_mm: float
    begin_radius_mm: float
    angle_deg: float
    angle_radius_deg: float
    ganglion_below_apex_mm: float
    ganglion_radius_mm: float


def root_predictions(prediction: Prediction) -> list[RootPrediction]:
    """Begin, angle and ganglion of every root with their 95 % radii."""
    scheme, anatomy = prediction.posterior.scheme, prediction.anatomy
    centres = anatomy.dura.mean(axis=1)
    radius = prediction.radius_mm[0.95]
    rows = []
    for key in ROOT_KEYS:
        span = scheme.span(block_name(key))
        root = anatomy.roots[key]
        beside = root[root[:, 2] >= centres[:, 2].min()]
        nearest = np.abs(beside[:, None, 2] - centres[None, :, 2]).argmin(axis=1)
        offset = (beside - centres[nearest])[:, :2]
        reach = np.linalg.norm(offset, axis=1)
        angle = np.degrees(np.arctan2(offset[:, 0], offset[:, 1]))
        ends = centres[0, 2] - root[[0, -1], 2]
        rows.append(
            RootPrediction(
                key=key,
                seen=bool(prediction.seen[span].any()),
                begin_below_apex_mm=float(ends[0]),
                begin_radius_mm=float(radius[span][0]),
                angle_deg=float(np.median(angle)) if len(angle) else float("nan"),
                angle_radius_deg=_angle_radius(radius[span][: len(beside)], reach),
                ganglion_below_apex_mm=float(ends[1]),
                ganglion_radius_mm=float(radius[span][-1]),
            )
        )
    return rows


def _angle_radius(radius: np.ndarray, reach: np.ndarray) -> float:
    """Half width of the angle, degrees: of the ball at the median point; 180 if it holds all."""
    if not len(reach):
        return float("nan")
    sine = float(np.median(radius)) / max(float(np.median(reach)), 1e-9)
    return float(np.degrees(np.arcsin(sine))) if sine < 1 else 180.0


def write_prediction(atlas: Atlas, prediction: Prediction, out: str | Path) -> None:
    """Write a prediction as a folder, whole or not at all.

    Parameters
    ----------
    atlas : Atlas
        What it was predicted from; its notice goes along.
    prediction : Prediction
    out : path
        ``markers/<id>/`` (Slicer Markups, LPS mm), ``meshes/`` (STL), ``intervals.csv`` and
        ``intervals.ply`` (landmarks coloured by their 95 % radius), ``roots.csv``.
    """
    source = atlas.provenance.get("notice", "")
    notice = f"{NOTICE}; atlas {source}" if source else NOTICE
    with new_folder(Path(out), proof=PROOF) as folder:
        _write_markers(prediction, folder / "markers" / prediction.subject_id, notice)
        write_surfaces(surfaces(prediction.anatomy), folder / "meshes", header=STL_NOTICE)
        write_file(folder / PROOF, _intervals(prediction, notice))
        write_file(folder / "roots.csv", _roots(prediction, notice))
        _write_cloud(prediction, folder / "intervals.ply")


def _write_markers(prediction: Prediction, folder: Path, notice: str) -> None:
    folder.mkdir(parents=True)
    anatomy, stem = prediction.anatomy, prediction.subject_id
    for kind, rings in (("dura", anatomy.dura), ("cord", anatomy.cord)):
        for number, ring in enumerate(rings, 1):
            content = format_markups(ring, type="ClosedCurve", stem=kind, description=notice)
            write_file(folder / f"{stem}_{kind}_{number}.json", content)
    for key, root in anatomy.roots.items():
        name = f"{key.level}_{key.side[0].upper()}"
        for kind, points in (("nerveroots", root[:-1]), ("ganglions", root[-1:])):
            content = format_markups(points, type="Fiducial", stem=name, description=notice)
            write_file(folder / f"{stem}_{kind}_{name}.json", content)


def _intervals(prediction: Prediction, notice: str) -> str:
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    radii = [f"radius_{100 * level:.0f}_mm" for level in LEVELS]
    table.writerow(["landmark", "seen", "x_mm", "y_mm", "z_mm", *radii, "notice"])
    for i, name in enumerate(prediction.posterior.scheme.names):
        numbers = [*prediction.points[i]]
        numbers += [prediction.radius_mm[level][i] for level in LEVELS]
        row = [f"{v:.4f}" for v in numbers]
        table.writerow([name, int(prediction.seen[i]), *row, notice])
    return text.getvalue()


def _roots(prediction: Prediction, notice: str) -> str:
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    numbers = [f for f in RootPrediction.__dataclass_fields__ if f not in ("key", "seen")]
    table.writerow(["level", "side", "seen", *numbers, "notice"])
    for row in root_predictions(prediction):
        values = [f"{getattr(row, name):.2f}" for name in numbers]
        table.writerow([*row.key, int(row.seen), *values, notice])
    return text.getvalue()


def _write_cloud(prediction: Prediction, path: Path) -> None:
    import trimesh
    from trimesh.visual.color import interpolate

    radius = prediction.radius_mm[0.95]
    colours = interpolate(radius.copy(), color_map="viridis")
    cloud = trimesh.PointCloud(prediction.points, colors=colours)
    content = cloud.export(file_type="ply")
    write_file(path, content)
