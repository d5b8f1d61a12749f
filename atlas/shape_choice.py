"""Which shape a person means: the mean, a mode, a subject, a sample; of a model or a dataset."""

from __future__ import annotations

import csv
import io
import re
from pathlib import Path
from typing import Any

import numpy as np

from atlas.data.dataset import Dataset, read_dataset
from atlas.errors import AtlasError
from atlas.landmarks.fitting_curves import subject_anatomy
from atlas.landmarks.scheme import Status
from atlas.mesh_files import NamedShape
from atlas.store import Atlas, load_atlas
from atlas.text.json_values import parse_json, value_as

SCORE = "score_"
COLUMN = re.compile(rf"{SCORE}([1-9][0-9]{{0,5}})(?:_sd)?")
NUMBER = re.compile(r"[-+]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][-+]?[0-9]+)?")
# Further from the mean nothing is anatomy, and a little further nothing is a number.
MOST_SD = 100.0


class ShapeChoiceError(AtlasError):
    """A shape there is not; the text lists those there are."""


def choose_shape(
    path: str | Path,
    *,
    mean: bool = False,
    mode: int | None = None,
    sd: float | None = None,
    subject: str | None = None,
    sample: str | Path | None = None,
    row: int | None = None,
) -> NamedShape:
    """Find one shape.

    Parameters
    ----------
    path : path
        A model (``model.h5`` or the folder of a build), or a dataset.
    mean : bool
        The mean of a model; what a model gives unless told otherwise.
    mode, sd : int, float
        A mode of a model, from 1, at so many standard deviations; 2 unless told otherwise.
    subject : str
        Of a model: its aligned landmarks.  Of a dataset: its annotation over the whole field of
        view; the only subject unless told otherwise.
    sample : path
        File of scores in SD, as :func:`read_scores` takes it.
    row : int
        Which row of that file, from 1; the only one unless told otherwise.

    Returns
    -------
    NamedShape

    Raises
    ------
    AtlasError
        More than one choice, a shape there is not, or a file that cannot be read.
    """
    choices = {"--mean": mean, "--mode": mode, "--subject": subject, "--sample": sample}
    made = [option for option, value in choices.items() if value not in (None, False)]
    if len(made) > 1:
        raise ShapeChoiceError(f"expected one of {', '.join(choices)}, got {', '.join(made)}")
    for option, value, needs in (("--sd", sd, "--mode"), ("--row", row, "--sample")):
        if value is not None and made != [needs]:
            raise ShapeChoiceError(f"{option}: expected it together with {needs}")
    path = Path(path)
    if not _is_model(path):
        if made and made != ["--subject"]:
            raise ShapeChoiceError(
                f"{path}: expected a model (model.h5 or the folder of a build) for {made[0]}, "
                "got a dataset; build one with `atlas build`"
            )
        return _annotated(read_dataset(path), subject)
    atlas = load_atlas(path)
    if subject is not None:
        return _aligned(atlas, subject)
    if mode is not None:
        return _mode(atlas, mode, 2.0 if sd is None else sd)
    if sample is not None:
        return _sample(atlas, Path(sample), row)
    model = atlas.model
    return _of_model(atlas, "mean", model.mean, f"mean shape of n = {model.n_subjects}")


def _is_model(path: Path) -> bool:
    return (path / "model.h5").is_file() or path.suffix in (".h5", ".hdf5")


def _of_model(
    atlas: Atlas,
    name: str,
    points: np.ndarray,
    what: str,
    *,
    status: np.ndarray | None = None,
    **source: Any,
) -> NamedShape:
    notice = atlas.provenance.get("notice") or ""
    said = [what, *([f"atlas {notice}"] if notice else [])]
    return NamedShape(
        name,
        atlas.model.scheme.anatomy(points, status=status),
        "; ".join(said),
        generated=status is None or bool(notice),
        reference=atlas.model.scheme.anatomy(atlas.model.mean),
        model=atlas.model if name == "mean" else None,
        source={"model": dict(atlas.provenance), **source, **_attribution(atlas)},
    )


def _attribution(atlas: Atlas) -> dict[str, Any]:
    given = atlas.provenance.get("attribution")
    return {"attribution": given} if given else {}


def _mode(atlas: Atlas, mode: int, sd: float) -> NamedShape:
    model = atlas.model
    if not 1 <= mode <= model.n_modes:
        raise ShapeChoiceError(f"--mode: expected 1 to {model.n_modes}, got {mode}")
    if not abs(sd) <= MOST_SD:
        raise ShapeChoiceError(
            f"--sd: expected a number of standard deviations, got {sd:g}; choose from "
            f"{-MOST_SD:g} to {MOST_SD:g}"
        )
    scores = np.zeros(mode)
    scores[mode - 1] = sd
    name = f"mode{mode}_{'minus' if sd < 0 else 'plus'}{abs(sd):g}sd"
    what = f"mode {mode} at {sd:+g} SD of a model of n = {model.n_subjects}: generated, not imaged"
    return _of_model(atlas, name, model.shape(scores), what, scores=scores.tolist())


def _aligned(atlas: Atlas, subject: str) -> NamedShape:
    ids = atlas.alignment.landmarks.subject_ids
    if subject not in ids:
        raise ShapeChoiceError(f"--subject: expected one of {', '.join(ids)}, got {subject!r}")
    number = ids.index(subject)
    status = atlas.alignment.landmarks.status[number]
    bridged = 100 * float((status == Status.BRIDGED).mean())
    what = f"{subject}, aligned landmarks, {bridged:.0f} % of them bridged and not traced"
    points = atlas.alignment.points[number]
    return _of_model(atlas, subject, points, what, status=status, subject=subject)


def _sample(atlas: Atlas, path: Path, row: int | None) -> NamedShape:
    rows = read_scores(path)
    if row is None and len(rows) != 1:
        raise ShapeChoiceError(f"{path}: expected one row of scores, got {len(rows)}; choose --row")
    number = 1 if row is None else row
    if not 1 <= number <= len(rows):
        raise ShapeChoiceError(f"--row: expected 1 to {len(rows)}, got {number}")
    scores, model = rows[number - 1], atlas.model
    if len(scores) > model.n_modes:
        raise ShapeChoiceError(
            f"{path}: expected at most {model.n_modes} scores, one a mode, got {len(scores)}"
        )
    what = f"sample of a model of n = {model.n_subjects}: generated, not imaged"
    name = "sample" if row is None else f"sample{number}"
    return _of_model(atlas, name, model.shape(scores), what, scores=scores.tolist())


def read_scores(path: Path) -> list[np.ndarray]:
    """Read scores in standard deviations: one array (k,) a shape.

    Parameters
    ----------
    path : Path
        CSV with columns ``score_1`` or ``score_1_sd``, … (others, a pose among them, are left
        alone), JSON with a list of numbers or of lists, or text with the numbers of one shape in
        one line.

    Returns
    -------
    list of (k,) float

    Raises
    ------
    ShapeChoiceError
        Not there, or none of these.
    """
    try:
        # A spreadsheet may begin its text with a mark.
        text = path.read_text("utf-8-sig").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ShapeChoiceError(f"{path}: expected a file of scores, got {error}") from None
    try:
        rows = _parse_scores(text)
    except (ValueError, csv.Error) as error:
        raise _no_scores(path, text, str(error)) from None
    if not rows or not all(len(row) for row in rows):
        raise _no_scores(path, text, "none")
    worst = max(float(np.abs(row).max()) for row in rows)
    if not worst <= MOST_SD:
        raise _no_scores(path, text, f"one of {worst:g} SD")
    return rows


def _no_scores(path: Path, text: str, got: str) -> ShapeChoiceError:
    return ShapeChoiceError(
        f"{path}: expected scores as a CSV with columns {SCORE}1, {SCORE}2, …, as a JSON list, "
        f"or as numbers in one line, got {text[:60]!r} ({got[:200]})"
    )


def _parse_scores(text: str) -> list[np.ndarray]:
    if text.startswith(("[", "{")):
        document = parse_json(text)
        if isinstance(document, dict):
            document = value_as(dict[str, Any], document, "scores").get("scores")
        given = value_as(list[float] | list[list[float]], document, "scores")
        nested = bool(given) and isinstance(given[0], list)
        return [np.array(row, dtype=float) for row in (given if nested else [given])]
    if SCORE not in text.partition("\n")[0]:
        lines = text.splitlines()
        return [_numbers(lines[0].replace(",", " ").split())] if len(lines) == 1 else []
    head, *rows = (row for row in csv.reader(io.StringIO(text, newline=""), strict=True) if row)
    found = [(int(match[1]), i) for i, name in enumerate(head) if (match := COLUMN.fullmatch(name))]
    places = dict(found)
    if sorted(n for n, _ in found) != list(range(1, len(found) + 1)):
        raise ValueError(f"columns {', '.join(head)}"[:120])
    for number, row in enumerate(rows, start=1):
        if len(row) != len(head):
            raise ValueError(f"{len(row)} cells in row {number}, {len(head)} in the first line")
    return [_numbers([row[places[n]] for n in sorted(places)]) for row in rows]


def _numbers(cells: list[str]) -> np.ndarray:
    """Numbers by the letter: NaN, infinite ones and digits in groups are none."""
    odd = [cell for cell in cells if not NUMBER.fullmatch(cell.strip())]
    if odd:
        raise ValueError(f"{odd[0][:40]!r}, which is no number")
    return np.array([float(cell) for cell in cells])


def _annotated(dataset: Dataset, subject: str | None) -> NamedShape:
    ids = [s.id for s in dataset.subjects]
    if subject is None and len(ids) == 1:
        subject = ids[0]
    if subject not in ids:
        raise ShapeChoiceError(
            f"{dataset.root}: expected --subject as one of {', '.join(ids)}, "
            f"got {subject or 'none'}"
        )
    chosen = dataset.subjects[ids.index(subject)]
    notice = chosen.source.notice or ""
    what = f"{subject} as annotated over its field of view, smoothed; gaps to ganglia are bridged"
    source = {"subject": subject, "notice": notice, "inputs": dict(chosen.source.files)}
    return NamedShape(
        subject,
        subject_anatomy(chosen),
        "; ".join([what, *([notice] if notice else [])]),
        generated=bool(notice),
        source=source,
    )
