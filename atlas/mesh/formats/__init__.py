"""Files of meshes: written beside their place and renamed into it, the same bytes each time.

A module a format; :func:`write_meshes` dispatches by name.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from atlas.mesh.formats.statements import MeshFileError
    from atlas.mesh.formats.stl import STL_NOTICE_BYTES, write_stl, write_surfaces
    from atlas.mesh.formats.writing import FORMATS, write_meshes

# Resolved at first use: whoever wants the colours of structures needs no splines.
_HOMES = {
    "FORMATS": "writing",
    "MeshFileError": "statements",
    "STL_NOTICE_BYTES": "stl",
    "write_meshes": "writing",
    "write_stl": "stl",
    "write_surfaces": "stl",
}

__all__ = [
    "FORMATS",
    "STL_NOTICE_BYTES",
    "MeshFileError",
    "write_meshes",
    "write_stl",
    "write_surfaces",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return list(__all__)
