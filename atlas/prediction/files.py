"""A prediction as files: Slicer Markups, meshes, intervals, and a table a root."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from atlas.data.subject import ROOT_KEYS, RootKey
from atlas.exchange.marker_files import write_markers
from atlas.landmarks.scheme import block_name
from atlas.mesh.formats import write_surfaces
from atlas.mesh.surfaces.layout import mesh_layout
from atlas.mesh.surfaces.named_surfaces import surfaces
from atlas.output.files import write_file
from atlas.output.results import Claim, claim_folder, new_folder
from atlas.prediction.calibration import LEVELS, Predictor
from atlas.prediction.predicting import Prediction
from atlas.prediction.roots import root_measures
from atlas.store import Atlas
from atlas.text.json_text import json_text
from atlas.text.plain_text import csv_text

NOTICE = "predicted from a statistical atlas, not imaged"
STL_NOTICE = "predicted, not imaged; see intervals.csv"
INTERVALS = "intervals.csv"


@dataclass(frozen=True, slots=True)
class RootPrediction:
    """What is predicted of one root, mm and degrees; half widths held 95 % when left out.

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


def root_predictions(prediction: Prediction, predictor: Predictor) -> list[RootPrediction]:
    """Begin, angle and ganglion of every root with their 95 % half widths."""
    scheme = prediction.posterior.scheme
    values = root_measures(prediction.points, scheme)
    return [
        RootPrediction(
            key=key,
            seen=bool(prediction.seen[scheme.span(block_name(key))].any()),
            begin_below_apex_mm=float(begin),
            begin_radius_mm=float(radius[0]),
            angle_deg=float(angle),
            angle_radius_deg=float(radius[1]),
            ganglion_below_apex_mm=float(ganglion),
            ganglion_radius_mm=float(radius[2]),
        )
        for key, (begin, angle, ganglion), radius in zip(
            ROOT_KEYS, values, predictor.root_radii, strict=True
        )
    ]


def write_prediction(
    atlas: Atlas, prediction: Prediction, predictor: Predictor, out: str | Path | Claim
) -> None:
    """Write a prediction as a folder, whole or not at all.

    Parameters
    ----------
    atlas : Atlas
        What it was predicted from; its notice goes along.
    prediction : Prediction
    predictor : Predictor
        That made it.
    out : path
        ``markers/<id>/`` (Slicer Markups, LPS mm), ``meshes/`` (STL), ``intervals.csv`` and
        ``intervals.ply`` (landmarks coloured by their 95 % radius), ``roots.csv``;
        ``prediction.json`` says what it was made from.
    """
    source = atlas.provenance.get("notice", "")
    notice = f"{NOTICE}; atlas {source}" if source else NOTICE
    with new_folder(claim_folder(out, command="predict")) as folder:
        stem = prediction.subject_id
        write_markers(prediction.anatomy, folder / "markers" / stem, stem, notice=notice)
        layout = mesh_layout(atlas.model.scheme.anatomy(atlas.model.mean))
        meshes = surfaces(prediction.anatomy, layout=layout)
        write_surfaces(meshes, folder / "meshes", header=STL_NOTICE)
        write_file(folder / INTERVALS, _intervals(prediction, notice))
        write_file(folder / "roots.csv", _roots(root_predictions(prediction, predictor), notice))
        _write_cloud(prediction, folder / "intervals.ply")
        document = _provenance(atlas, prediction, predictor, notice)
        write_file(folder / "prediction.json", json_text(document))


def _provenance(
    atlas: Atlas, prediction: Prediction, predictor: Predictor, notice: str
) -> dict[str, Any]:
    return {
        "subject": prediction.subject_id,
        "given": list(predictor.given),
        "n_modes": predictor.n_modes,
        "noise_mm": predictor.noise_mm,
        "n_subjects": predictor.n_subjects,
        "notice": notice,
        "atlas": dict(atlas.provenance),
    }


def _intervals(prediction: Prediction, notice: str) -> str:
    radii = [f"radius_{100 * level:.0f}_mm" for level in LEVELS]
    rows: list[list[object]] = [["landmark", "seen", "x_mm", "y_mm", "z_mm", *radii, "notice"]]
    for i, name in enumerate(prediction.posterior.scheme.names):
        numbers = [*prediction.points[i]]
        numbers += [prediction.radius_mm[level][i] for level in LEVELS]
        row = [f"{v:.4f}" for v in numbers]
        rows.append([name, int(prediction.seen[i]), *row, notice])
    return csv_text(rows)


def _roots(rows: list[RootPrediction], notice: str) -> str:
    numbers = [f for f in RootPrediction.__dataclass_fields__ if f not in ("key", "seen")]
    table: list[list[object]] = [["level", "side", "seen", *numbers, "notice"]]
    for row in rows:
        values = [f"{getattr(row, name):.2f}" for name in numbers]
        table.append([*row.key, int(row.seen), *values, notice])
    return csv_text(table)


def _write_cloud(prediction: Prediction, path: Path) -> None:
    import trimesh
    from trimesh.visual.color import interpolate

    radius = prediction.radius_mm[0.95]
    colours = interpolate(radius.copy(), color_map="viridis")
    cloud = trimesh.PointCloud(prediction.points, colors=colours)
    content = cloud.export(file_type="ply")
    write_file(path, content)
