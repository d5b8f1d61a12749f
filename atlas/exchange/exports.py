"""An atlas for other programs: statismo, SlicerMorph, CSV, NumPy."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from atlas.errors import AtlasError
from atlas.exchange.interchange import Marginal, marginal, noise_variance, write_models
from atlas.output.files import hdf5_file, write_file
from atlas.output.results import Claim, claim_file, claim_folder, new_folder, new_result_file
from atlas.store import Atlas
from atlas.text.json_text import json_text
from atlas.text.plain_text import csv_text

# In every exported folder: what it is and where it comes from.
SOURCE = "export.json"
AXES = "XYZ"
GPA_SCHEMA = (
    "https://raw.githubusercontent.com/slicermorph/slicermorph/master/"
    "GPA/Resources/Schema/GPALog-schema-v1.0.0.json#"
)


class ExportError(AtlasError):
    """A format there is not; the text lists those there are."""


def claim_export(
    out: str | Path | Claim, to: str, *, inputs: Sequence[str | Path] = (), force: bool = False
) -> Claim:
    """Find whether an export may be written to a place: a file or a folder, as the format is.

    Parameters
    ----------
    out : path or Claim
    to : {"statismo", "slicermorph", "csv", "npz"}
    inputs, force
        As :func:`atlas.output.results.claim_folder` takes them.

    Returns
    -------
    Claim

    Raises
    ------
    ExportError
        Another format.
    OutputError
        The place must not be written.
    """
    if to not in EXPORTS:
        raise ExportError(f"to: expected one of {tuple(EXPORTS)}, got {to!r}")
    if to in SUFFIXES:
        return claim_file(out, command="export", suffix=SUFFIXES[to], inputs=inputs, force=force)
    return claim_folder(out, command="export", inputs=inputs, force=force)


def export_atlas(atlas: Atlas, to: str, out: str | Path | Claim) -> Path:
    """Write an atlas for another program.

    Parameters
    ----------
    atlas : Atlas
    to : {"statismo", "slicermorph", "csv", "npz"}
    out : str or Path
        A file for statismo and npz, a folder for slicermorph and csv; written whole or not at all.

    Returns
    -------
    Path

    Raises
    ------
    ExportError
        Another format.
    OutputError
        A place that cannot be written, or that holds something else than an earlier export.
    """
    claim = claim_export(out, to)
    EXPORTS[to](atlas, claim)
    return claim.path


def export_statismo(atlas: Atlas, claim: Claim) -> None:
    """Write the statistical model alone, without the subjects that ``model.h5`` also holds."""
    with new_result_file(claim) as place, hdf5_file(place) as file:
        write_models(file, atlas.model, atlas.alignment, atlas.provenance)


def export_slicermorph(atlas: Atlas, claim: Claim) -> None:
    """Write a result folder of SlicerMorph's module GPA, which its "load previous analysis" opens.

    Coordinates are aligned as in the atlas, LPS mm, missing landmarks where they are expected.
    Landmarks are numbered from 1 as GPA does; ``landmarks.csv`` gives their names.

    Notes
    -----
    Headers, orders and the lack of a header in ``eigenvalues.csv`` follow ``writeOutData`` and
    ``onLoadFromFile`` of GPA.py (github.com/SlicerMorph/SlicerMorph).  The size column is
    ``centroid`` there; earlier versions wrote ``centeroid``, which no longer loads.  Two things
    differ on purpose: variances are n - 1 where GPA divides by n, and ``Eigenvectors`` of
    the log names the file that is there, ``eigenvector.csv``, where GPA writes
    ``eigenvectors.csv``.  ``Boas`` is true where sizes were kept.
    """
    part = marginal(atlas.model)
    modes = part.model.modes.reshape(len(part.model.variance), -1)
    pcs = [f"PC {k + 1}" for k in range(len(modes))]
    rows = [f"LM {i + 1}" for i in range(atlas.model.scheme.size)]
    columns = [f"{row}_{axis}" for row in rows for axis in AXES]
    with _folder(atlas, claim, "slicermorph") as folder:
        _table(folder / "outputData.csv", _output_data(atlas, columns))
        _table(folder / "meanShape.csv", [["", *AXES], *_labelled(rows, part.model.mean)])
        _table(folder / "eigenvector.csv", [["", *pcs], *_labelled(columns, modes.T)])
        _table(
            folder / "eigenvalues.csv",
            ([name, v] for name, v in zip(pcs, part.model.variance.tolist(), strict=True)),
        )
        scores = _scores(atlas, part) * np.sqrt(part.model.variance)
        subjects = atlas.alignment.landmarks.subject_ids
        _table(folder / "pcScores.csv", [["Sample_name", *pcs], *_labelled(subjects, scores)])
        names = zip(rows, atlas.model.scheme.names, strict=True)
        _table(folder / "landmarks.csv", [["landmark", "name"], *names])
        _json(folder / "analysis.json", _gpa_log(atlas))


def export_csv(atlas: Atlas, claim: Claim) -> None:
    """Write the model as CSV tables in full precision: every number reads back to the bit."""
    model = atlas.model
    names, modes = model.scheme.names, [f"mode{k + 1}" for k in range(model.n_modes)]
    loads = zip(
        ((name, axis) for name in names for axis in "xyz"),
        model.modes.reshape(model.n_modes, -1).T.tolist(),
        strict=True,
    )
    subjects = atlas.alignment.landmarks.subject_ids
    scores = model.scores(atlas.alignment.points)
    with _folder(atlas, claim, "csv") as folder:
        header = ["landmark", "x_mm", "y_mm", "z_mm"]
        _table(folder / "mean.csv", [header, *_labelled(names, model.mean)])
        _table(
            folder / "modes.csv",
            [["landmark", "axis", *modes], *([*place, *row] for place, row in loads)],
        )
        pairs = np.stack([model.variance, model.explained], axis=1)
        _table(
            folder / "variance.csv",
            [["mode", "variance_mm2", "share"], *_labelled(modes, pairs)],
        )
        _table(folder / "names.csv", _names_table(atlas))
        _table(
            folder / "scores.csv",
            [["subject", *(f"{m}_sd" for m in modes)], *_labelled(subjects, scores)],
        )


def export_npz(atlas: Atlas, claim: Claim) -> None:
    """Write the model as one ``.npz`` that ``numpy.load(allow_pickle=False)`` reads."""
    model, alignment = atlas.model, atlas.alignment
    with new_result_file(claim) as place, place.open("wb") as stream:
        np.savez_compressed(
            stream,
            mean=model.mean,
            modes=model.modes,
            variance=model.variance,
            noise=noise_variance(model),
            weights=alignment.weights,
            names=np.array(model.scheme.names),
            mirror=model.scheme.mirror,
            subjects=np.array(alignment.landmarks.subject_ids),
            points=alignment.points,
            status=alignment.landmarks.status,
            scores=model.scores(alignment.points),
            provenance=np.array(_source(atlas, "npz")),
        )


EXPORTS: dict[str, Callable[[Atlas, Claim], None]] = {
    "statismo": export_statismo,
    "slicermorph": export_slicermorph,
    "csv": export_csv,
    "npz": export_npz,
}
# Formats that are one file.
SUFFIXES = {"statismo": ".h5", "npz": ".npz"}


def _output_data(atlas: Atlas, columns: list[str]) -> Iterator[list[Any]]:
    """Procrustes distance from the mean, centroid size and coordinates of each subject."""
    alignment = atlas.alignment
    yield ["Sample_name", "proc_dist", "centroid", *columns]
    for i, subject in enumerate(alignment.landmarks.subject_ids):
        points = alignment.completed[i]
        distance = float(np.linalg.norm(points - atlas.model.mean))
        # Centroid size is that before scaling, as in GPA.
        size = float(np.linalg.norm(points - points.mean(axis=0)) / alignment.scale[i])
        yield [subject, distance, size, *points.ravel().tolist()]


def _gpa_log(atlas: Atlas) -> dict[str, Any]:
    date, _, time = str(atlas.provenance.get("created", "")).partition("T")
    extension = ".mrk.json"
    log = {
        "Date": date,
        "Time": time.removesuffix("Z"),
        "InputPath": "",
        "OutputPath": "",
        "Files": [f"{s}{extension}" for s in atlas.alignment.landmarks.subject_ids],
        "LMFormat": extension,
        "NumberLM": atlas.model.scheme.size,
        "ExcludedLM": [],
        "Boas": atlas.alignment.scaling == "none",
        "MeanShape": "meanShape.csv",
        "Eigenvalues": "eigenvalues.csv",
        "Eigenvectors": "eigenvector.csv",
        "OutputData": "outputData.csv",
        "PCScores": "pcScores.csv",
        "SemiLandmarks": [],
        # The module writes CovariatesFile, its schema and SlicerMorphR say Covariates.
        "CovariatesFile": "",
        "Covariates": "",
    }
    return {"@schema": GPA_SCHEMA, "GPALog": [log]}


def _names_table(atlas: Atlas) -> Iterator[list[Any]]:
    scheme = atlas.model.scheme
    blocks = [b.name for b in scheme.blocks for _ in range(b.size)]
    noise, weights = noise_variance(atlas.model).tolist(), atlas.alignment.weights.tolist()
    yield ["landmark", "block", "mirror", "weight", "noise_mm2"]
    for i, name in enumerate(scheme.names):
        yield [name, blocks[i], scheme.names[scheme.mirror[i]], weights[i], noise[i]]


def _scores(atlas: Atlas, part: Marginal) -> np.ndarray:
    """Scores (S, k) of the subjects in the modes of an exported model, SD."""
    return atlas.model.scores(atlas.alignment.points) @ part.turn.T


def _labelled(labels: Iterable[str], values: np.ndarray) -> Iterator[list[Any]]:
    for label, row in zip(labels, values.tolist(), strict=True):
        yield [label, *row]


def _table(path: Path, rows: Iterable[Iterable[Any]]) -> None:
    write_file(path, csv_text(rows))


def _json(path: Path, document: object) -> None:
    write_file(path, json_text(document))


def _source(atlas: Atlas, to: str) -> str:
    document = {"format": to, "coordinates": "LPS", "unit": "mm", **atlas.provenance}
    return json_text(document)


@contextmanager
def _folder(atlas: Atlas, claim: Claim, to: str) -> Iterator[Path]:
    with new_folder(claim) as folder:
        write_file(folder / SOURCE, _source(atlas, to))
        yield folder
