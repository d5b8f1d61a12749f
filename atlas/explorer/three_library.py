"""three.js for the page, out of the installed trimesh: none of it is kept in this project.

trimesh ships a viewer that holds a whole build of three.js, then controls and a loader that the
page does not need.  Only the build is taken, with its licence notice.
"""

from __future__ import annotations

import re
import zipfile
from dataclasses import dataclass
from importlib.metadata import version
from importlib.resources import files

from atlas.errors import AtlasError

ARCHIVE = ("resources", "templates", "viewer.zip")
MEMBER = "viewer.html.template"
# Versions whose viewer holds the build this page was written for.
TRIMESH_RANGE = ">=4.12.2,<6"
NOTICE = re.compile(
    r"/\*\*\n \* @license\n \* (Copyright 2010-\d{4} Three\.js Authors)\n"
    r" \* SPDX-License-Identifier: MIT\n \*/\n"
)
REVISION = re.compile(r'"use strict";const e="(\d+)"')
END = 'Object.defineProperty(t,"__esModule",{value:!0})}));'
# Before 137 a build had another outer shape; after 150 colours are managed otherwise.
REVISIONS = range(137, 151)
NEEDED = (
    "AmbientLight",
    "BufferAttribute",
    "BufferGeometry",
    "DirectionalLight",
    "Matrix4",
    "Mesh",
    "MeshPhongMaterial",
    "OrthographicCamera",
    "Scene",
    "SphereGeometry",
    "WebGLRenderer",
)


class ThreeLibraryError(AtlasError):
    """No three.js this page can use; the text says what was found and what to install."""


@dataclass(frozen=True, slots=True)
class ThreeLibrary:
    """A build of three.js.

    Parameters
    ----------
    source : str
        JavaScript that makes the global ``THREE``, with its licence notice.
    revision : int
    copyright : str
        The line of its notice.
    """

    source: str
    revision: int
    copyright: str


def installed_three() -> ThreeLibrary:
    """The three.js in the installed trimesh.

    Raises
    ------
    ThreeLibraryError
        trimesh's viewer is not there, or holds something else.
    """
    try:
        place = files("trimesh").joinpath(*ARCHIVE)
        with place.open("rb") as stream, zipfile.ZipFile(stream) as archive:
            text = archive.read(MEMBER).decode()
    except (OSError, KeyError, UnicodeDecodeError, zipfile.BadZipFile) as error:
        raise _refusal(f"{'/'.join(ARCHIVE)} that cannot be read ({error})") from None
    return three_in(text)


def three_in(text: str) -> ThreeLibrary:
    """The build of three.js in a page of trimesh's.

    Raises
    ------
    ThreeLibraryError
        The text holds none, or not the one this page was written for.
    """
    text = text.replace("\r\n", "\n")
    notice = NOTICE.search(text)
    end = text.find(END, notice.end()) if notice else -1
    if notice is None or end < 0:
        raise _refusal("a viewer without that build or its licence notice")
    source = text[notice.start() : end + len(END)]
    revision = REVISION.search(source)
    if revision is None or int(revision[1]) not in REVISIONS:
        raise _refusal(f"revision {revision[1] if revision else 'unknown'}")
    absent = [name for name in NEEDED if f"t.{name}=" not in source]
    if absent or "</script" in source.lower() or "<!--" in source:
        raise _refusal(f"a build without {', '.join(absent) or 'a clean end'}")
    return ThreeLibrary(source + "\n", int(revision[1]), notice[1])


def _refusal(got: str) -> ThreeLibraryError:
    return ThreeLibraryError(
        f"trimesh {version('trimesh')}: expected its viewer to hold three.js revision "
        f"{REVISIONS[0]} to {REVISIONS[-1]}, got {got}; "
        f'install a version it was seen in: pip install "trimesh{TRIMESH_RANGE}"'
    )
