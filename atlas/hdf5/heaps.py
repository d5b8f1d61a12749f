"""Heaps of an HDF5 file, where its texts lie, looked through before HDF5 reads them.

HDF5 2.0 runs for ever through a heap of which a part is zeros, as a disk or a download that was
cut off leaves it: an entry of no length leads to itself.
"""

from __future__ import annotations

import mmap
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import h5py

# Signature, version and three zeros; the size of the heap follows (HDF5 File Format, III.E).
HEAD = b"GCOL\x01\0\0\0"
HEAD_BYTES = ENTRY_BYTES = 16
# A file of fewer bytes is looked through whole; in a larger one arrays, which hold no heaps, are
# passed over.
SMALL_BYTES = 16 << 20
PASSED_OVER = 1 << 16


def torn_heap(file: h5py.File) -> int | None:
    """Where a heap begins whose entries do not lead to its end; None if there is none."""
    path = Path(file.filename)
    taken = sorted(_arrays(file)) if path.stat().st_size > SMALL_BYTES else []
    with path.open("rb") as raw, mmap.mmap(raw.fileno(), 0, access=mmap.ACCESS_READ) as all_:
        for begin, end in _between(taken, len(all_)):
            place = all_.find(HEAD, begin, end)
            while place >= 0:
                if not _leads_to_its_end(all_, place):
                    return place
                place = all_.find(HEAD, place + 1, end)
    return None


def _leads_to_its_end(content: mmap.mmap, place: int) -> bool:
    if place + HEAD_BYTES > len(content):
        return True
    (size,) = struct.unpack_from("<Q", content, place + 8)
    end = place + size
    if end > len(content):
        # HDF5 refuses that by itself.
        return True
    here = place + HEAD_BYTES
    while end - here >= ENTRY_BYTES:
        number, _, _, length = struct.unpack_from("<HHIQ", content, here)
        # The rest that is free counts its own head; others begin at multiples of eight.
        step = ENTRY_BYTES + (length + 7) // 8 * 8 if number else length
        if step < ENTRY_BYTES or here + step > end:
            return False
        here += step
    return True


def _arrays(file: h5py.File) -> list[tuple[int, int]]:
    """Begin and end of the large arrays of a file."""
    import h5py

    found: list[tuple[int, int]] = []

    def note(_name: str, member: Any) -> None:
        if not isinstance(member, h5py.Dataset) or member.nbytes < PASSED_OVER:
            return
        offset = member.id.get_offset()
        if offset is not None:
            found.append((offset, offset + member.id.get_storage_size()))
        elif member.chunks is not None:
            member.id.chunk_iter(lambda c: found.append((c.byte_offset, c.byte_offset + c.size)))

    file.visititems(note)
    return found


def _between(taken: list[tuple[int, int]], size: int) -> Iterator[tuple[int, int]]:
    """What arrays leave of a file."""
    here = 0
    for begin, end in taken:
        if begin > here:
            yield here, begin
        here = max(here, end)
    if here < size:
        yield here, size
