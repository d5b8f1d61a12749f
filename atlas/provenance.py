"""Where an atlas comes from: inputs by hash, versions, choices, findings, attribution."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from atlas.data.dataset import Dataset
from atlas.data.images import image_parameters
from atlas.data.subject import Finding
from atlas.output.files import OutputError
from atlas.text.json_text import json_values
from atlas.text.json_values import JsonError, value_as

if TYPE_CHECKING:
    from atlas.model.shape_model import ShapeModel
    from atlas.store import Settings

ATTRIBUTION = (
    "Liu J, Zhang W, Zhou Y, Xu L, Chu Y-H, Jia F. Markers, QC results and generated models "
    "(2024), doi 10.6084/m9.figshare.26403442, CC BY 4.0; described in Sci Data 11, 1131 (2024), "
    "doi 10.1038/s41597-024-03919-4."
)
DISCLAIMER = "Research software; not a medical device and not for clinical decisions."

# What is made of a provenance, where it holds it; an atlas may come with any other words too.
TYPES: dict[str, Any] = {
    "software": dict[str, str],
    "versions": dict[str, str],
    "created": str,
    "dataset": str,
    "subjects": list[str],
    "inputs": list[dict[str, str]],
    "covariates": dict[str, list[float | str | None]],
    "images": dict[str, Any],
    "exclusions": list[str],
    "anchor": str,
    "seed": int | None,
    "findings": list[dict[str, str]],
    "notice": str,
    "attribution": str,
    "disclaimer": str,
}
INPUT = {"id", "sha256", "notice"}
FINDING = {"severity", "rule", "subject", "place", "message"}


@dataclass(frozen=True, slots=True, eq=False)
class Inputs:
    """What an atlas is made from, as far as its provenance tells.

    Parameters
    ----------
    root : str
        The folder or archive.
    subjects : sequence of (id, sha256, notice)
    covariates : mapping of str to sequence
        A value a subject.
    exclusions : tuple of str
    notice : str
        Of the whole group; empty for annotations.
    """

    root: str
    subjects: Sequence[tuple[str, str, str]]
    covariates: Mapping[str, Sequence[float | str | None]]
    exclusions: tuple[str, ...]
    notice: str

    @classmethod
    def of(cls, dataset: Dataset) -> Inputs:
        """Of a dataset in memory."""
        return cls(
            dataset.root,
            [(s.id, s.source.sha256, s.source.notice) for s in dataset.subjects],
            dataset.covariates,
            dataset.exclusions,
            dataset.notice,
        )


def provenance(
    inputs: Inputs, findings: Iterable[Finding], *, anchor: str, seed: int | None
) -> dict[str, Any]:
    """Where an atlas comes from, as JSON values.

    Parameters
    ----------
    inputs : Inputs
    findings : iterable of Finding
    anchor : str
        Point that alignment held fixed.
    seed : int or None
        Of a generated dataset.

    Returns
    -------
    dict
        What no JSON holds is missing: numbers that are not finite are null; bytes of names that
        are no text are escaped.

    Raises
    ------
    OutputError
        ``SOURCE_DATE_EPOCH`` is set to something else than seconds.
    """
    subjects = [{"id": i, "sha256": h, "notice": notice} for i, h, notice in inputs.subjects]
    packages = ("numpy", "scipy", "h5py", "orjson", "trimesh")
    document = {
        "software": {"name": "lumbosacral-atlas", "version": version("lumbosacral-atlas")},
        "versions": {"python": platform.python_version(), **{p: version(p) for p in packages}},
        "created": _now(),
        "dataset": Path(inputs.root).resolve().name,
        "subjects": [s["id"] for s in subjects],
        "inputs": subjects,
        "covariates": {name: list(values) for name, values in inputs.covariates.items()},
        "images": image_parameters(inputs.root, tuple(s["id"] for s in subjects)),
        "exclusions": list(inputs.exclusions),
        "anchor": anchor,
        "seed": seed,
        "findings": [f.document() for f in findings],
        "notice": inputs.notice,
        "attribution": ATTRIBUTION,
        "disclaimer": DISCLAIMER,
    }
    values: dict[str, Any] = json_values(document)
    return values


def made_with(settings: Settings, model: ShapeModel, *, variance_held: float) -> dict[str, Any]:
    """What a provenance tells of how an atlas was made from its inputs, as JSON values.

    Parameters
    ----------
    settings : Settings
    model : ShapeModel
    variance_held : float
        Share of the variance that was asked of the modes, or taken where none was.

    Returns
    -------
    dict
        ``settings``, and ``model``: how many modes there are, what share they hold, the noise.
    """
    values: dict[str, Any] = json_values(
        {
            "settings": asdict(settings) | {"variance_held": variance_held},
            "model": {
                "n_modes": model.n_modes,
                "variance_share": float(model.explained.sum()),
                "noise_sd_mm": model.noise**0.5,
            },
        }
    )
    return values


def refuse_false_provenance(
    document: Mapping[str, Any], subject_ids: Sequence[str], *, anchor: str, where: str
) -> None:
    """Refuse a provenance that is not of these subjects, or not of the types it stands for.

    Parameters
    ----------
    document : mapping of str to object
        JSON values.
    subject_ids : sequence of str
    anchor : str
        Point that alignment held fixed.
    where : str
        How an error names it.

    Raises
    ------
    JsonError
    """
    for name, hint in TYPES.items():
        if name in document:
            value_as(hint, document[name], f"{where}/{name}")
    ids = list(subject_ids)
    of_subjects = {
        "subjects": document.get("subjects", ids),
        "inputs": [entry.get("id") for entry in document.get("inputs", [{"id": i} for i in ids])],
    }
    for name, found in of_subjects.items():
        if found != ids:
            raise JsonError(
                f"{where}/{name}: expected the {len(ids)} subjects of the atlas, got others"
            )
    for name, keys in (("inputs", INPUT), ("findings", FINDING)):
        if any(set(entry) != keys for entry in document.get(name, ())):
            raise JsonError(
                f"{where}/{name}: expected {', '.join(sorted(keys))} of each, got others"
            )
    for name, values in document.get("covariates", {}).items():
        if len(values) != len(ids):
            raise JsonError(
                f"{where}/covariates/{name}: expected {len(ids)} values, got {len(values)}"
            )
    if document.get("anchor", anchor) != anchor:
        raise JsonError(f"{where}/anchor: expected {anchor!r}, got {document['anchor']!r}")


def _now() -> str:
    """UTC time; ``SOURCE_DATE_EPOCH`` fixes it (reproducible-builds.org)."""
    given = os.environ.get("SOURCE_DATE_EPOCH")
    try:
        seconds = time.time() if given is None else float(given)
    except ValueError:
        raise OutputError(f"SOURCE_DATE_EPOCH: expected seconds, got {given!r}; unset it") from None
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))
