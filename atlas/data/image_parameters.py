"""How images were acquired: a chosen few values of their JSON sidecars."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from atlas.data.images import SEQUENCES, ImageError, find_image
from atlas.text.json_values import JsonError, parse_json, value_as

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
LARGEST_BYTES, LONGEST_TEXT = 16 << 20, 1000
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
        sidecar holds, as it gives them; ``unreadable``: path to what is wrong with a sidecar that
        is no JSON object.  Empty where there are no images or no sidecars.
    """
    if not Path(place).exists():
        return {}
    unreadable: dict[str, str] = {}
    found = {
        subject: of_images
        for subject in subjects
        if (of_images := _parameters_of(Path(place), subject, unreadable))
    }
    told: dict[str, Any] = {}
    if found:
        told = {"units": {k: u for k, u in UNITS.items() if u}, "subjects": found}
    return told | ({"unreadable": unreadable} if unreadable else {})


def _parameters_of(
    place: Path, subject: str, unreadable: dict[str, str]
) -> dict[str, dict[str, float | str]]:
    found = {}
    for sequence in SEQUENCES:
        try:
            image = find_image(place, subject, sequence)
            sidecar = image.with_name(image.name.removesuffix(".gz").removesuffix(".nii") + ".json")
            if not sidecar.exists():
                continue
        except ImageError:
            continue
        try:
            found[sequence] = _chosen(_read(sidecar))
        except (OSError, ValueError) as error:
            # A name that is no text stays writable.
            name = "/".join(sidecar.parts[-4:]).encode(errors="backslashreplace").decode()
            unreadable[name] = str(error).replace(str(sidecar), sidecar.name)[:200]
    return {name: values for name, values in found.items() if values}


def _read(sidecar: Path) -> dict[str, Any]:
    size = sidecar.stat().st_size
    if size > LARGEST_BYTES:
        raise JsonError(f"expected a few kB of JSON, got {size} bytes")
    document: dict[str, Any] = value_as(
        dict[str, Any], parse_json(sidecar.read_text("utf-8-sig")), "sidecar"
    )
    return document


def _chosen(document: dict[str, Any]) -> dict[str, float | str]:
    lower = {str(k).lower(): v for k, v in document.items()}
    if len(lower) < len(document):
        raise JsonError("expected every field once, got one twice but for capitals")
    values = {}
    for name in UNITS:
        options = (lower.get(n.lower()) for n in OTHER_NAMES.get(name, (name,)))
        value = next((v for v in options if _is_plain(v)), None)
        if value is not None:
            values[name] = value
    return values


def _is_plain(value: Any) -> bool:
    if isinstance(value, str):
        return 0 < len(value) <= LONGEST_TEXT
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e12
