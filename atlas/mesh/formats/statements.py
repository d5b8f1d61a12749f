"""What every file says of itself: frame, unit, notice; and what a file can be refused for."""

from __future__ import annotations

from atlas.errors import AtlasError

FRAME = "LPS"
UNIT = "mm"
AXES = "+x left, +y posterior, +z superior"


class MeshFileError(AtlasError):
    """A mesh file that cannot be written; the text says which, expected and got."""


def statements(notice: str) -> tuple[str, ...]:
    """Lines a file says of itself: frame and unit, then the notice; ASCII, one line each.

    Examples
    --------
    >>> statements("generated, not imaged")
    ('frame LPS (+x left, +y posterior, +z superior), unit mm', 'generated, not imaged')
    """
    lines = [f"frame {FRAME} ({AXES}), unit {UNIT}"]
    lines += [" ".join(line.split()) for line in notice.splitlines() if line.strip()]
    return tuple(line.encode("ascii", "backslashreplace").decode("ascii") for line in lines)


def file_stem(structure: str) -> str:
    """A structure's name as that of a file: ``root/L5/left`` is ``root_L5_left``."""
    return structure.replace("/", "_")
