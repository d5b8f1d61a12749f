"""Number the regions of an anatomy in files: the one place that says which number means what.

Label maps give a region the same number in every file; tetrahedra count the regions that are there.
"""

from __future__ import annotations

from collections.abc import Iterable

from atlas.data.subject import LEVELS, ROOT_KEYS
from atlas.landmarks.scheme import block_name
from atlas.mesh.formats.statements import MeshFileError

# The same number in every file: 11 to 17 left L1 to S2, 21 to 27 right.
LABELS = {"csf": 1, "cord": 2} | {
    block_name(key): (10 if key.side == "left" else 20) + LEVELS.index(key.level) + 1
    for key in ROOT_KEYS
}
# Labels of structures this atlas does not name.
FIRST_OTHER, LAST_LABEL = 101, 255


def labels_of(names: Iterable[str]) -> dict[str, int]:
    """The label of each structure, the same in every file for those this atlas names.

    Examples
    --------
    >>> labels_of(["dura", "cord", "root/S2/right", "fat"])
    {'dura': 1, 'cord': 2, 'root/S2/right': 27, 'fat': 101}
    """
    labels: dict[str, int] = {}
    for name in names:
        known = LABELS["csf"] if name == "dura" else LABELS.get(name)
        other = sum(value >= FIRST_OTHER for value in labels.values()) + FIRST_OTHER
        labels[name] = known or other
    if len(set(labels.values())) < len(labels) or max(labels.values(), default=0) > LAST_LABEL:
        raise MeshFileError(
            f"labels: expected each structure to have its own of at most {LAST_LABEL}, "
            f"got {labels}; dura and csf are the same label: give one of them"
        )
    return labels


def counted(names: Iterable[str]) -> dict[str, int]:
    """The number of each region in a file of tetrahedra: from 1, in the order they come.

    Examples
    --------
    >>> counted(["csf", "cord", "root/L1/left"])
    {'csf': 1, 'cord': 2, 'root/L1/left': 3}
    """
    return {name: number for number, name in enumerate(names, 1)}
