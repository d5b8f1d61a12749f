"""Results of version 0.1.0, which listed no files: told by what they hold.

A file is taken for ours only by the very name that version gave it; whatever else lies in such a
folder is somebody else's.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

SOFTWARE = "lumbosacral-atlas"
MOST_BYTES = 64 << 20

_NAME = r"[^/]+"
_ROOT = r"root_[LS]\d_(left|right)"
_SURFACES = rf"(dura|cord|{_ROOT})\.stl"
_SUBJECT = r"sub-[A-Za-z0-9]+"
_BUILD = (
    r"model\.h5|provenance\.json"
    rf"|meshes/(mean|mode\d+_(minus|plus)\d+sd)/{_SURFACES}"
    r"|tables/(landmarks|mean|modes|scores|segment_variability|anchor_(sensitivity|roots|summary)"
    r"|field_of_view|asymmetry|subjects_measures)\.csv|tables/README\.md"
    r"|figures/(population|anatomy|subject|scree|mode\d+)\.png"
)
# Command to what its files were called.
_FILES = {
    "build": _BUILD,
    "demo": rf"atlas/({_BUILD})|cohort/(README\.md|dataset_description\.json|participants\.tsv)"
    rf"|cohort/markers/{_SUBJECT}/sub[-_]{_NAME}\.json",
    "evaluate": r"provenance\.json|(evaluation|prediction)/(README\.md|(compactness|generalisation"
    r"|generalisation_surface|specificity|mode_count|eigenvalues|mode_stability|noise_structures"
    r"|noise_modes|prediction_error|prediction_coverage|smooth_bias)\.csv)",
    "tables": r"README\.md|tables\.(html|json|tex)"
    r"|figures/(ellipsoids|profiles_(apex|conus)|segments_(levels|roots)|side_differences|sides)"
    r"\.(pdf|png)|tables/(anchor_sensitivity|asymmetry|landmark_spread|landmarks|literature|mean"
    r"|mixed_models|modes|neighbours|profiles|scores|segment_variability|shape_covariates"
    r"|side_differences|subjects_measures|variance_components|allometry|procrustes_anova|power)"
    r"\.(csv|parquet|md|tex|html)",
    "predict": rf"intervals\.(csv|ply)|roots\.csv|meshes/{_SURFACES}"
    rf"|markers/{_SUBJECT}/{_SUBJECT}_{_NAME}\.json",
    "report": r"index\.html|(alignment_and_anchors|model_evaluation|population_atlas"
    r"|predict_from_partial|segment_variability|synthetic_anatomies)\.(html|ipynb)",
    "export": r"export\.json|(mean|modes|variance|names|scores|landmarks|outputData|meanShape"
    r"|eigenvector|eigenvalues|pcScores)\.csv|analysis\.json",
    "compare": r"comparison\.csv|README\.md",
    "sample": r"plan\.json|README\.md|(samples|acceptance|shift)\.csv|records/sub-\d+\.json"
    rf"|(markers|meshes)/sub-\d+/{_NAME}",
}


def old_result(folder: Path) -> tuple[str, frozenset[str]] | None:
    """Which command of version 0.1.0 wrote a folder, and its files; None where none did.

    Parameters
    ----------
    folder : Path

    Returns
    -------
    command : str
    files : frozenset of str
        With ``/`` between folders.
    """
    command = next((name for name, proves in _PROOFS.items() if proves(folder)), None)
    if command is None:
        return None
    if command == "mesh":
        listed = _json(folder / "provenance.json").get("files", [])
        return command, frozenset(f for f in listed if isinstance(f, str)) | {"provenance.json"}
    ours = re.compile(_FILES[command])
    found = (p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())
    return command, frozenset(name for name in found if ours.fullmatch(name))


def old_page(head: bytes) -> str | None:
    """Which command of version 0.1.0 wrote a page, by its beginning; None for any other page."""
    return next((command for command, text in _PAGES.items() if text in head), None)


def _json(path: Path) -> dict[str, Any]:
    try:
        if path.stat().st_size > MOST_BYTES:
            return {}
        document = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return {}
    return document if isinstance(document, dict) else {}


def _is_ours(path: Path) -> bool:
    software = _json(path).get("software")
    return isinstance(software, dict) and software.get("name") == SOFTWARE


def _begins(path: Path, text: str) -> bool:
    try:
        with path.open("rb") as file:
            return file.read(1 << 12).decode("utf-8", "replace").startswith(text)
    except OSError:
        return False


def _is_build(folder: Path) -> bool:
    return _is_ours(folder / "provenance.json") and (folder / "model.h5").is_file()


def _is_mesh(folder: Path) -> bool:
    return _is_ours(folder / "provenance.json") and "shape" in _json(folder / "provenance.json")


def _is_evaluation(folder: Path) -> bool:
    table = folder / "evaluation" / "compactness.csv"
    return _is_ours(folder / "provenance.json") and table.is_file()


def _is_report(folder: Path) -> bool:
    try:
        with (folder / "index.html").open("rb") as file:
            return REPORT_TITLE in file.read(1 << 14)
    except OSError:
        return False


REPORT_TITLE = b"<title>Reports of the lumbosacral atlas</title>"
_PAGES = {
    "check": b'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Check of ',
    "view": b"<title>Lumbosacral atlas",
}
_PROOFS: dict[str, Callable[[Path], bool]] = {
    "build": _is_build,
    "mesh": _is_mesh,
    "evaluate": _is_evaluation,
    "demo": lambda folder: _is_build(folder / "atlas") and (folder / "cohort/markers").is_dir(),
    "tables": lambda folder: _json(folder / "tables.json").keys() >= {"made_from", "absent"},
    "predict": lambda folder: _begins(folder / "intervals.csv", "landmark,seen,x_mm,y_mm,z_mm,"),
    "report": _is_report,
    "export": lambda folder: _is_ours(folder / "export.json"),
    "compare": lambda folder: _begins(
        folder / "comparison.csv", "subject,structure,n_points,ours_to_theirs_"
    ),
    "sample": lambda folder: _is_ours(folder / "plan.json"),
}
