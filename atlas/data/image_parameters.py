"""How images were acquired: a chosen few values of their JSON sidecars."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson

from atlas.data.images import SEQUENCES, ImageError, find_image

# BIDS names, and the units BIDS prescribes; whether a sidecar keeps to them cannot be known.
UNITS = {
    "SequenceName": "",
    "RepetitionTime": "s",
    "EchoTime": "s",
    "FlipAngle": "degrees",
    "SliceThickness": "mm",
    "Manufacturer": "",
    "MagneticFieldStrength": "T",
}
# Fields of the same meaning, in the order they are asked for.
OTHER_NAMES = {"SequenceName": ("SequenceName", "PulseSequenceName", "ProtocolName")}


def image_parameters(place: str | Path, subjects: tuple[str, ...]) -> dict[str, Any]:
    """Acquisition parameters of the images beside a dataset, for its provenance.

    Parameters
    ----------
    place : path
        Of the dataset, as :func:`atlas.data.images.find_image` takes it.
    subjects : tuple of str
        Subject ids.

    Returns
    -------
    dict
        ``units`` as BIDS prescribes them, and ``subjects``: id to sequence to the fields that its
        sidecar holds, as it gives them.  Empty where there are no images or no sidecars that can
        be read.
    """
    if not Path(place).exists():
        return {}
    found = {
        subject: of_images
        for subject in subjects
        if (of_images := _parameters_of(Path(place), subject))
    }
    return {"units": {k: u for k, u in UNITS.items() if u}, "subjects": found} if found else {}


def _parameters_of(place: Path, subject: str) -> dict[str, dict[str, float | str]]:
    found = {}
    for sequence in SEQUENCES:
        try:
            image = find_image(place, subject, sequence)
            sidecar = image.with_name(image.name.removesuffix(".gz").removesuffix(".nii") + ".json")
            document = orjson.loads(sidecar.read_bytes())
        except (ImageError, OSError, orjson.JSONDecodeError):
            continue
        if isinstance(document, dict):
            found[sequence] = _chosen(document)
    return {name: values for name, values in found.items() if values}


def _chosen(document: dict[str, Any]) -> dict[str, float | str]:
    lower = {str(k).lower(): v for k, v in document.items()}
    values = {}
    for name in UNITS:
        options = (lower.get(n.lower()) for n in OTHER_NAMES.get(name, (name,)))
        value = next((v for v in options if _is_plain(v)), None)
        if value is not None:
            values[name] = value
    return values


def _is_plain(value: Any) -> bool:
    return isinstance(value, int | float | str) and not isinstance(value, bool) and value != ""
