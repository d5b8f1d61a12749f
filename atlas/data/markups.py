"""One 3D Slicer Markups JSON file to points and back.

The only place that knows coordinate systems, units and position status: everything beyond
it is LPS millimetres.  The format is 3D Slicer's markups schema 1.0.3.
"""

from __future__ import annotations

import reprlib
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np
import orjson

from atlas.arrays import freeze, read_only

SCHEMA = (
    "https://raw.githubusercontent.com/slicer/slicer/master/Modules/Loadable/Markups/"
    "Resources/Schema/markups-schema-v1.0.3.json#"
)
MILLIMETRES = {"mm": 1.0, "um": 1e-3, "µm": 1e-3, "μm": 1e-3, "cm": 10.0, "m": 1000.0}
TO_LPS = {"LPS": np.array([1.0, 1.0, 1.0]), "RAS": np.array([-1.0, -1.0, 1.0])}
# Ten kilometres: beyond it no one is annotated, and squares of it lose what is.
LARGEST_MM = 1e7
STATUSES = ("defined", "undefined", "preview", "missing")


class MarkupsError(ValueError):
    """A file that cannot be read as Slicer Markups; the text says expected and got."""


@dataclass(frozen=True, slots=True, eq=False)
class Markup:
    """One markup of a file.

    Parameters
    ----------
    type : str
        ``ClosedCurve``, ``Curve``, ``Fiducial`` or another type of the schema.
    points : (n, 3) float
        LPS mm, in the order of the file; NaN where the status is not ``defined``.
    labels : tuple of str
        One a point.  Labels of the published archive do not name the structure.
    description : str
        The first point's description; generated files say there that they are.
    """

    type: str
    points: np.ndarray
    labels: tuple[str, ...]
    description: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "points", read_only(self.points, (None, 3), "Markup.points"))

    @property
    def defined(self) -> np.ndarray:
        """Points with a position, (m, 3) LPS mm."""
        absent = np.isnan(self.points)
        return self.points[~absent.any(axis=1)] if absent.any() else self.points


def parse_markups(content: bytes) -> tuple[Markup, ...]:
    """Read the markups of one file.

    Parameters
    ----------
    content : bytes
        The file, UTF-8 JSON.

    Returns
    -------
    tuple of Markup
        In file order, LPS mm, converted by what each markup declares (the schema's
        defaults, LPS and mm, where it declares nothing).

    Raises
    ------
    MarkupsError
        Not JSON, not Markups, an unknown coordinate system, unit or position status, or a
        defined point without three finite coordinates.
    """
    try:
        document = orjson.loads(content.removeprefix(b"\xef\xbb\xbf"))
    except orjson.JSONDecodeError as error:
        raise MarkupsError(f"expected valid JSON, got {error}; {_cure(content, error)}") from None
    markups = document.get("markups") if isinstance(document, dict) else None
    if not isinstance(markups, list) or not markups:
        raise MarkupsError("expected 3D Slicer Markups (a list 'markups' with an entry), got none")
    return tuple(_parse_markup(markup) for markup in markups)


def _cure(content: bytes, error: orjson.JSONDecodeError) -> str:
    if b"NaN" in content:
        return "JSON has no NaN: give a point without a place the positionStatus 'missing'"
    if "depth" in str(error):
        return "it is nested more deeply than any annotation: export or download it again"
    return "the file may be truncated: export or download it again"


def _parse_markup(markup: Any) -> Markup:
    if not isinstance(markup, dict) or not isinstance(markup.get("controlPoints"), list):
        raise MarkupsError("expected a markup with a list 'controlPoints', got none")
    factor = _lps_factor(markup)
    control = markup["controlPoints"]
    given = _sound_positions(control)
    if given is None:
        rows = [_parse_position(point, number) for number, point in enumerate(control, 1)]
        given = np.array(rows, dtype=float).reshape(-1, 3)
    _refuse_far(given, LARGEST_MM / np.abs(factor))
    points = freeze(given * factor)
    labels = [point.get("label", "") for point in control]
    labels = [label if isinstance(label, str) else _text(label) for label in labels]
    description = control[0].get("description", "") if control else ""
    return Markup(_text(markup.get("type", "")), points, tuple(labels), _text(description))


def _sound_positions(control: list[Any]) -> np.ndarray | None:
    """Positions (n, 3) where every point is defined and has three finite numbers; else None.

    Checks all points at once.  Which point is wrong, and how, :func:`_parse_position` says.
    """
    try:
        positions = [point["position"] for point in control]
        statuses = {point.get("positionStatus", "defined") for point in control}
    except (TypeError, KeyError, AttributeError):
        return None
    if statuses != {"defined"} or set(map(type, positions)) != {list}:
        return None
    if set(map(len, positions)) != {3} or not {*map(type, chain(*positions))} <= {float, int}:
        return None
    given = np.array(positions, dtype=float)
    return given if np.isfinite(given).all() else None


def _refuse_far(points: np.ndarray, largest: np.ndarray) -> None:
    far = (np.abs(points) > largest).any(axis=1)
    if far.any():
        number = int(far.argmax())
        raise MarkupsError(
            f"point {number + 1}: expected coordinates within {LARGEST_MM / 1e6:.0f} km of the "
            f"origin, got {points[number].tolist()}; check the position and coordinateUnits"
        )


def _text(value: Any) -> str:
    """A string as it is; anything else in short, however deep it is nested."""
    return value if isinstance(value, str) else reprlib.repr(value)


def _lps_factor(markup: dict[str, Any]) -> np.ndarray:
    """Factors (3,) that take the markup's coordinates to LPS mm."""
    system = markup.get("coordinateSystem", "LPS")
    units = markup.get("coordinateUnits", "mm")
    # Slicer writes units as a string or as the coded triple [value, scheme, meaning].
    unit = units[0] if isinstance(units, list) and units else units
    if not isinstance(system, str) or system not in TO_LPS:
        raise MarkupsError(f"expected coordinateSystem LPS or RAS, got {reprlib.repr(system)}")
    if not isinstance(unit, str) or unit not in MILLIMETRES:
        raise MarkupsError(
            f"expected coordinateUnits of {sorted(MILLIMETRES)}, got {reprlib.repr(units)}"
        )
    return TO_LPS[system] * MILLIMETRES[unit]


def _parse_position(point: Any, number: int) -> list[float]:
    if not isinstance(point, dict):
        raise MarkupsError(f"point {number}: expected an object, got {reprlib.repr(point):.40}")
    status = point.get("positionStatus", "defined")
    if status not in STATUSES:
        raise MarkupsError(
            f"point {number}: expected positionStatus of {', '.join(STATUSES)}, got "
            f"{reprlib.repr(status):.40}"
        )
    if status != "defined":
        return [np.nan] * 3
    position = point.get("position")
    if not (
        isinstance(position, list)
        and len(position) == 3
        and all(isinstance(v, (int, float)) and not isinstance(v, bool) for v in position)
        and bool(np.isfinite(position).all())
    ):
        raise MarkupsError(
            f"point {number}: expected a position of three finite numbers, got "
            f"{reprlib.repr(position):.60}; set positionStatus to 'missing' if the point has no "
            "place"
        )
    return position


def format_markups(
    points: np.ndarray,
    *,
    type: str,
    stem: str,
    description: str = "",
    coordinate_system: str = "LPS",
) -> bytes:
    """Write points as one Markups file.

    Parameters
    ----------
    points : (n, 3) float
        LPS mm; a row of NaN is written as a point with status ``missing``.
    type : str
        ``ClosedCurve``, ``Curve`` or ``Fiducial``.
    stem : str
        Labels are ``<stem>-1``, ``<stem>-2``, …
    description : str
        Written into every point.
    coordinate_system : str
        ``LPS`` or ``RAS``: what the file declares and holds.

    Returns
    -------
    bytes
        UTF-8 JSON of schema 1.0.3; :func:`parse_markups` gives the points back exactly.
    """
    rows = np.asarray(points, dtype=float).reshape(-1, 3) * TO_LPS[coordinate_system]
    return orjson.dumps(
        {
            "@schema": SCHEMA,
            "markups": [
                {
                    "type": type,
                    "coordinateSystem": coordinate_system,
                    "coordinateUnits": "mm",
                    "locked": False,
                    "labelFormat": "%N-%d",
                    "lastUsedControlPointNumber": len(rows),
                    "controlPoints": [
                        _format_point(row, f"{stem}-{number}", str(number), description)
                        for number, row in enumerate(rows, 1)
                    ],
                }
            ],
        },
        option=orjson.OPT_INDENT_2,
    )


def _format_point(row: np.ndarray, label: str, id: str, description: str) -> dict[str, Any]:
    missing = bool(np.isnan(row).any())
    return {
        "id": id,
        "label": label,
        "description": description,
        "position": [0.0, 0.0, 0.0] if missing else row.tolist(),
        "selected": True,
        "locked": False,
        "visibility": True,
        "positionStatus": "missing" if missing else "defined",
    }
