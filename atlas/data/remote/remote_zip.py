"""A remote file that is read in parts, as if it were open: enough for :mod:`zipfile`."""

from __future__ import annotations

import io
from collections import OrderedDict
from typing import TYPE_CHECKING

from atlas.data.remote.downloads import Progress, silent
from atlas.data.remote.figshare import RemoteFile, open_reply
from atlas.data.remote.retry import Headway, Patience, RangeError, TransientError

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

BLOCK_BYTES = 1 << 18
BLOCKS_KEPT = 64


class RangeFile(io.RawIOBase):
    """A published file, fetched block by block where it is read.

    Parameters
    ----------
    file : RemoteFile
    patience : Patience
    block_bytes : int
        What is fetched at least; neighbouring blocks of one read come in one request.
    blocks_kept : int
        Blocks in memory; the longest unused goes first.
    progress : callable
        Called with name, bytes fetched and bytes of the whole file.

    Raises
    ------
    RangeError
        From reading: the server does not serve parts.
    FetchError
        From reading: the file changed meanwhile, or never came.
    """

    def __init__(
        self,
        file: RemoteFile,
        *,
        patience: Patience,
        block_bytes: int = BLOCK_BYTES,
        blocks_kept: int = BLOCKS_KEPT,
        progress: Progress = silent,
    ) -> None:
        super().__init__()
        self.file = file
        self.bytes_fetched = 0
        self._patience = patience
        self._block_bytes = block_bytes
        self._blocks_kept = blocks_kept
        self._progress = progress
        self._blocks: OrderedDict[int, bytes] = OrderedDict()
        self._place = 0
        self._tag = ""

    def readable(self) -> bool:
        """Always."""
        return True

    def seekable(self) -> bool:
        """Always."""
        return True

    def tell(self) -> int:
        """Where the next read begins."""
        return self._place

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go to a place; nothing is fetched before it is read."""
        origin = {io.SEEK_SET: 0, io.SEEK_CUR: self._place, io.SEEK_END: self.file.size}[whence]
        if origin + offset < 0:
            raise ValueError(f"expected a place within the file, got {origin + offset}")
        self._place = origin + offset
        return self._place

    def readinto(self, buffer: WriteableBuffer) -> int:
        """Fill the buffer, up to the end of the file."""
        view = memoryview(buffer).cast("B")
        count = max(0, min(len(view), self.file.size - self._place))
        if not count:
            return 0
        first, last = (
            place // self._block_bytes for place in (self._place, self._place + count - 1)
        )
        blocks = self._fetch_missing(first, last)
        start = self._place - first * self._block_bytes
        view[:count] = b"".join(blocks)[start : start + count]
        self._place += count
        return count

    def _fetch_missing(self, first: int, last: int) -> list[bytes]:
        """Blocks ``first`` to ``last``; those absent in one request from the first to the last."""
        absent = [b for b in range(first, last + 1) if b not in self._blocks]
        if absent:
            begin = absent[0] * self._block_bytes
            end = min((absent[-1] + 1) * self._block_bytes, self.file.size) - 1
            headway = Headway(self._patience)
            content = headway.keep_trying(lambda: self._fetch(begin, end, headway))
            for number, block in enumerate(range(absent[0], absent[-1] + 1)):
                start = number * self._block_bytes
                self._blocks[block] = content[start : start + self._block_bytes]
        found = []
        for block in range(first, last + 1):
            self._blocks.move_to_end(block)
            found.append(self._blocks[block])
        while len(self._blocks) > self._blocks_kept:
            self._blocks.popitem(last=False)
        return found

    def _fetch(self, begin: int, end: int, headway: Headway) -> bytes:
        url = self.file.url
        with open_reply(
            url, first=begin, last=end, timeout_s=headway.timeout_s, left_s=headway.left_s
        ) as reply:
            if reply.is_web_page:
                raise TransientError(f"{url}: expected a part of {self.file.name}, got a web page")
            if reply.status != 206 or reply.first != begin:
                raise RangeError(
                    f"{url}: expected a part of {self.file.name}, the server sends only all of it"
                )
            self._check_unchanged(reply.total, reply.tag)
            content = bytearray()
            while len(content) <= end - begin and (piece := reply.read(self._block_bytes)):
                content += piece
                headway.brought(len(piece))
        if len(content) != end - begin + 1:
            raise TransientError(
                f"{url}: expected {end - begin + 1} bytes from {begin}, got {len(content)}"
            )
        self.bytes_fetched += len(content)
        self._progress(self.file.name, self.bytes_fetched, self.file.size)
        return bytes(content)

    def _check_unchanged(self, total: int | None, tag: str) -> None:
        if total != self.file.size:
            raise RangeError(
                f"{self.file.url}: expected {self.file.size} bytes of {self.file.name}, the "
                f"server offers {total}"
            )
        if self._tag and tag != self._tag:
            raise RangeError(f"{self.file.url}: {self.file.name} changed while it was read")
        self._tag = tag
