"""A figshare of one's own on loopback: articles, redirects, ranges, and every way to fail.

Import it as ``import figshare_server``; :func:`serve` gives a :class:`Site` whose ``faults`` are
used up one a request, each by the path it is for.
"""

from __future__ import annotations

import hashlib
import io
import json
import threading
import zipfile
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from atlas.data.remote.figshare import RemoteFile
from atlas.data.remote.retry import Patience

LOGIN_PAGE = b"<html><body>Please log in to the guest network</body></html>"


@dataclass(slots=True)
class Site:
    """What is published, what goes wrong, and what was asked for."""

    articles: dict[int, list[dict[str, Any]]] = field(default_factory=lambda: defaultdict(list))
    contents: dict[str, bytes] = field(default_factory=dict)
    faults: dict[str, list[tuple[Any, ...]]] = field(default_factory=lambda: defaultdict(list))
    requests: list[tuple[str, str]] = field(default_factory=list)
    released: threading.Event = field(default_factory=threading.Event)
    url: str = ""

    def publish(self, article: int, name: str, content: bytes, **entry: Any) -> RemoteFile:
        """Publish a file in an article; ``entry`` overrides what the listing says of it."""
        number = 1000 + len(self.contents)
        md5 = hashlib.md5(content).hexdigest()
        self.contents[f"/storage/{number}"] = content
        listed = {
            "id": number,
            "name": name,
            "size": len(content),
            "is_link_only": False,
            "download_url": f"{self.url}/files/{number}",
            "supplied_md5": md5,
            "computed_md5": md5,
            "mimetype": "application/zip",
            **entry,
        }
        kept = [f for f in self.articles[article] if f["name"] != name]
        self.articles[article] = [*kept, listed]
        return RemoteFile(
            listed["id"], name, listed["size"], listed["download_url"], listed["computed_md5"]
        )

    def fail(self, path: str, *faults: tuple[Any, ...]) -> None:
        """What goes wrong with the next requests for a path, one each."""
        self.faults[path] += faults

    def storage(self, file: RemoteFile) -> str:
        """The path a file's bytes come from."""
        return f"/storage/{file.id}"

    def ranges(self, file: RemoteFile) -> list[str]:
        """Ranges that were asked of a file, in order; empty for the whole."""
        return [asked for path, asked in self.requests if path == self.storage(file)]


class _Handler(BaseHTTPRequestHandler):
    site: Site

    def do_GET(self) -> None:
        self.site.requests.append((self.path, self.headers.get("Range", "")))
        faults = self.site.faults[self.path.partition("?")[0]]
        fault = faults.pop(0) if faults else ("",)
        if fault[0] == "status":
            self._answer(fault[1], b"not now", **(fault[2] if len(fault) > 2 else {}))
        elif fault[0] == "hang":
            self.site.released.wait(5)
        elif fault[0] == "drop":
            return
        elif fault[0] == "drip":
            self._drip(fault[1])
        elif fault[0] == "elsewhere":
            self._answer(302, b"", Location=fault[1].replace("*", str(len(self.site.requests))))
        elif fault[0] == "page":
            self._answer(200, LOGIN_PAGE, content_type="text/html; charset=utf-8")
        elif self.path.startswith("/v2/articles/"):
            self._article(int(self.path.rsplit("/", 1)[1]))
        elif self.path.startswith("/files/"):
            self._answer(302, b"", Location=f"{self.site.url}/storage/{self.path[7:]}")
        elif self.path in self.site.contents:
            self._file(self.site.contents[self.path], fault)
        else:
            self._answer(404, b"nothing here")

    def _drip(self, what: str) -> None:
        """A byte every hundredth of a second of a header, of a length, or of the file."""
        if what == "header":
            self.wfile.write(b"HTTP/1.1 200 OK\r\nX-Long: ")
        elif what == "chunk":
            self.send_response(200)
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
        else:
            self.send_response(200)
            self.end_headers()
        while not self.site.released.wait(0.01):
            self.wfile.write(b"0")
            self.wfile.flush()

    def _article(self, number: int) -> None:
        if number not in self.site.articles:
            self._answer(404, b'{"message": "Entity not found"}')
            return
        document = {
            "id": number,
            "title": f"Article {number}",
            "doi": f"10.6084/m9.figshare.{number}.v1",
            "version": 1,
            "license": {"value": 1, "name": "CC BY 4.0", "url": "https://creativecommons.org/by/4"},
            "files": self.site.articles[number],
        }
        self._answer(200, json.dumps(document).encode(), content_type="application/json")

    def _file(self, content: bytes, fault: tuple[Any, ...]) -> None:
        headers, status, body = {"ETag": '"one"'}, 200, content
        asked = self.headers.get("Range", "")
        if asked and not fault[0].startswith("whole"):
            part = self._part(content, asked, fault)
            if part is None:
                self._answer(416, b"")
                return
            status, (body, headers["Content-Range"]) = 206, part
        if fault[0] == "tag":
            headers["ETag"] = '"two"'
        if fault[0].endswith("truncate"):
            self._answer(status, body[: fault[1]], length=len(body), **headers)
        elif fault[0] == "length":
            self._answer(status, body, length=fault[1], **headers)
        elif fault[0] == "silent":
            self._answer(status, body + b"x" * fault[1], length=None, **headers)
        elif fault[0] == "swap":
            self._answer(status, bytes(b ^ 1 for b in body), **headers)
        elif fault[0] == "stall":
            self._answer(status, body[: fault[1]], length=len(body), **headers)
            self.wfile.flush()
            self.site.released.wait(5)
        else:
            self._answer(status, body, **headers)

    def _part(self, content: bytes, asked: str, fault: tuple[Any, ...]) -> tuple[bytes, str] | None:
        """The bytes of a range and what is said of them; None where it is refused."""
        start, end = asked.removeprefix("bytes=").split("-")
        first, last = int(start), int(end) if end else len(content) - 1
        if fault[0] == "refuse" or first >= len(content):
            return None
        if fault[0] == "other part":
            first = 5
        body = content[first : last + 1]
        total = fault[1] if fault[0] == "total" else len(content)
        return body, f"bytes {first}-{first + len(body) - 1}/{total}"

    def _answer(
        self,
        status: int,
        body: bytes,
        *,
        content_type: str = "application/octet-stream",
        length: int | None = -1,
        **headers: str,
    ) -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        if length is not None:
            self.send_header("Content-Length", str(len(body) if length == -1 else length))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


class _Server(ThreadingHTTPServer):
    daemon_threads = False

    def handle_error(self, *_: Any) -> None:
        """A client that goes away is part of the test."""


@contextmanager
def serve() -> Iterator[Site]:
    """An empty site, up for as long as the block."""
    site = Site()
    handler = type("Handler", (_Handler,), {"site": site})
    with _Server(("127.0.0.1", 0), handler) as server:
        site.url = f"http://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield site
        finally:
            site.released.set()
            server.shutdown()
            thread.join()


def impatient(waits: list[float] | None = None, **options: Any) -> Patience:
    """Patience that waits for nothing and writes down how long it would have."""
    waits = [] if waits is None else waits
    return Patience(**{"wait": waits.append, "draw": lambda: 1.0, "timeout_s": 5.0, **options})


def zip_bytes(files: dict[str, bytes], *, compression: int = zipfile.ZIP_DEFLATED) -> bytes:
    """An archive of files by name; a name given twice is not possible here."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", compression) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return out.getvalue()
