"""Articles and files of figshare over HTTP; the only module that opens a connection.

The interface is figshare's: https://docs.figshare.com/#articles (``GET /v2/articles/<id>``).
Proxies are those of the environment, as :mod:`urllib.request` takes them.
"""

from __future__ import annotations

import email.utils
import http.client
import os
import re
import socket
import ssl
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from typing import Any

import orjson

from atlas.data.remote.retry import FetchError, Headway, Patience, RangeError, TransientError

BASE_URL = "https://api.figshare.com"
BASE_VARIABLE = "ATLAS_FIGSHARE_URL"
# 408 and 429 ask for patience, 5xx are a server's bad moment, 202 is a page that is not yet there.
TRANSIENT = {202, 408, 429, 500, 502, 503, 504}
LONGEST_LISTING_BYTES = 4 << 20
CONTENT_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+)$")


@dataclass(frozen=True, slots=True, eq=False)
class RemoteFile:
    """One published file: figshare's id and name, bytes, where it is, and its MD5 in hex."""

    id: int
    name: str
    size: int
    url: str
    md5: str


@dataclass(frozen=True, slots=True, eq=False)
class Article:
    """One published item and its files."""

    id: int
    title: str
    doi: str
    version: int
    licence: str
    licence_url: str
    files: tuple[RemoteFile, ...]

    def file(self, name: str) -> RemoteFile:
        """The file of this name; FetchError lists those there are."""
        for file in self.files:
            if file.name == name:
                return file
        names = ", ".join(f.name for f in self.files) or "none"
        raise FetchError(f"figshare article {self.id}: expected a file {name}, got {names}")


@dataclass(frozen=True, slots=True, eq=False)
class Reply:
    """An open answer: the bytes ``first`` to ``first + length`` of ``total``; None if unsaid."""

    url: str
    status: int
    first: int
    length: int | None
    total: int | None
    tag: str
    is_web_page: bool
    stream: Any
    watch: _Watch

    def read(self, count: int) -> bytes:
        """At most ``count`` bytes, as they come; empty at the end."""
        try:
            piece: bytes = self.stream.read1(count)
        except (OSError, http.client.HTTPException) as error:
            self.watch.expect_time(self.url)
            raise TransientError(f"{self.url}: the connection broke ({_reason(error)})") from None
        self.watch.expect_time(self.url)
        return piece


class _SafeRedirects(urllib.request.HTTPRedirectHandler):
    """Follows redirects, but not out of encryption."""

    def redirect_request(self, req: Any, fp: Any, *told: Any) -> Any:
        """The next request; FetchError where it would not be encrypted any more."""
        newurl = told[-1]
        if req.full_url.startswith("https:") and not newurl.startswith("https:"):
            fp.close()
            raise FetchError(f"{req.full_url}: expected to stay encrypted, got sent to {newurl}")
        return super().redirect_request(req, fp, *told)


def base_url() -> str:
    """Where figshare's interface is: ``ATLAS_FIGSHARE_URL``, or figshare itself."""
    url = os.environ.get(BASE_VARIABLE, "").strip() or BASE_URL
    if not url.startswith(("http://", "https://")):
        raise FetchError(f"{BASE_VARIABLE}: expected http://… or https://…, got {url!r}")
    return url.rstrip("/")


def read_article(identity: int, *, base: str, patience: Patience) -> Article:
    """What figshare says of one article.

    Parameters
    ----------
    identity : int
        Number of the article.
    base : str
        As :func:`base_url` gives it.
    patience : Patience

    Returns
    -------
    Article

    Raises
    ------
    FetchError
        No such article, no connection, or an answer that is none of figshare's.
    """
    url = f"{base}/v2/articles/{identity}"

    headway = Headway(patience)

    def ask() -> bytes:
        with open_reply(url, timeout_s=headway.timeout_s, left_s=headway.left_s) as reply:
            content = b""
            while (piece := reply.read(1 << 16)) and len(content) <= LONGEST_LISTING_BYTES:
                content += piece
                headway.brought(len(piece))
            if len(content) < min(reply.length or 0, LONGEST_LISTING_BYTES):
                raise TransientError(f"{url}: the answer ends after {len(content)} bytes")
            return content

    content = headway.keep_trying(ask)
    try:
        document = orjson.loads(content)
        return _article(document)
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError):
        text = content[:60].decode("utf-8", "replace")
        raise FetchError(
            f"{url}: expected a figshare article as JSON, got {text!r}; a proxy or a log-in page "
            "may stand between"
        ) from None


def _article(document: Any) -> Article:
    licence = document.get("license") or {}
    return Article(
        id=int(document["id"]),
        title=str(document.get("title", "")),
        doi=str(document.get("doi", "")),
        version=int(document.get("version") or 0),
        licence=str(licence.get("name", "")),
        licence_url=str(licence.get("url", "")),
        files=tuple(_file(f) for f in document["files"] if not f.get("is_link_only")),
    )


def _file(document: Any) -> RemoteFile:
    md5 = str(document.get("computed_md5") or document.get("supplied_md5")).lower()
    url, size = str(document["download_url"]), document["size"]
    if not re.fullmatch(r"[0-9a-f]{32}", md5) or not isinstance(size, int) or size < 0:
        raise ValueError
    if not url.startswith(("http://", "https://")):
        raise ValueError
    return RemoteFile(int(document["id"]), str(document["name"]), size, url, md5)


@contextmanager
def open_reply(
    url: str,
    *,
    first: int = 0,
    last: int | None = None,
    timeout_s: float,
    left_s: Callable[[], float] | None = None,
) -> Iterator[Reply]:
    """Ask for a file or a part of it; the connection is closed with the block.

    Parameters
    ----------
    url : str
    first, last : int
        Bytes wanted, both counted; without ``last`` to the end.
    timeout_s : float
        Silence after which the connection is given up.
    left_s : callable, optional
        Seconds that are left for all of it, asked again as they pass: a connection that never is
        silent, and never gets on, ends with them.

    Yields
    ------
    Reply
        Status 200 is the whole file, whatever was asked for; 206 is the part.

    Raises
    ------
    TransientError
        It may pass: no connection, a server's bad moment.
    RangeError
        Status 416.
    FetchError
        Any other refusal.
    """
    headers = {"User-Agent": "lumbosacral-atlas", "Accept": "*/*", "Accept-Encoding": "identity"}
    if first or last is not None:
        headers["Range"] = f"bytes={first}-{'' if last is None else last}"
    request = urllib.request.Request(url, headers=headers)  # noqa: S310
    with _Watch(left_s) as watch:
        try:
            response = _opener(watch).open(request, timeout=timeout_s)
        except urllib.error.HTTPError as error:
            with closing(error):
                raise _refusal(url, error.code, error.headers) from None
        except (OSError, http.client.HTTPException, ValueError) as error:
            watch.expect_time(url)
            raise _no_connection(url, error) from None
        with closing(response):
            if response.status not in (200, 206):
                raise _refusal(url, response.status, response.headers)
            yield _reply(url, response, watch)


class _Watch:
    """Breaks the connections of one request when its time is over."""

    def __init__(self, left_s: Callable[[], float] | None) -> None:
        self._left_s = left_s
        self._sockets: list[socket.socket] = []
        self._timer: threading.Timer | None = None
        self._over = False

    def __enter__(self) -> _Watch:
        self._look()
        return self

    def __exit__(self, *_: object) -> None:
        self._left_s = None
        if self._timer is not None:
            self._timer.cancel()

    def _look(self) -> None:
        left_s = self._left_s
        if left_s is None:
            return
        left = left_s()
        if left > 0:
            self._timer = threading.Timer(left, self._look)
            self._timer.daemon = True
            self._timer.start()
            return
        self._over = True
        for opened in self._sockets:
            with suppress(OSError):
                opened.shutdown(socket.SHUT_RDWR)

    def expect_time(self, url: str) -> None:
        """Say of what was broken, or came too late, that it was too slow: TransientError."""
        if self._over:
            raise TransientError(f"{url}: the connection is too slow")

    def connection(self, kind: type[http.client.HTTPConnection]) -> Callable[..., Any]:
        """A kind of connection that this watch can break."""
        watch = self

        class Watched(kind):  # type: ignore[valid-type, misc]
            def connect(self) -> None:
                super().connect()
                watch._sockets.append(self.sock)
                if watch._over:
                    raise TimeoutError("the time is over")

        return Watched


class _WatchedHTTP(urllib.request.HTTPHandler):
    def __init__(self, watch: _Watch) -> None:
        super().__init__()
        self._watch = watch

    def http_open(self, req: urllib.request.Request) -> Any:
        return self.do_open(self._watch.connection(http.client.HTTPConnection), req)


class _WatchedHTTPS(urllib.request.HTTPSHandler):
    def __init__(self, watch: _Watch) -> None:
        super().__init__()
        self._watch = watch

    def https_open(self, req: urllib.request.Request) -> Any:
        return self.do_open(self._watch.connection(http.client.HTTPSConnection), req)


def _reply(url: str, response: Any, watch: _Watch) -> Reply:
    headers = response.headers
    coding = headers.get("Content-Encoding", "identity").lower()
    if coding != "identity":
        raise FetchError(f"{url}: expected the file as it is, got it encoded as {coding}")
    length = headers.get("Content-Length", "")
    part = CONTENT_RANGE.match(headers.get("Content-Range", ""))
    if response.status == 206 and part is None:
        raise RangeError(f"{url}: expected to be told which part was sent, got no Content-Range")
    whole = int(length) if length.isdigit() else None
    partial = response.status == 206 and part is not None
    return Reply(
        url=url,
        status=response.status,
        first=int(part[1]) if partial and part else 0,
        length=whole,
        total=int(part[3]) if partial and part else whole,
        tag=headers.get("ETag", ""),
        is_web_page=headers.get("Content-Type", "").startswith("text/html"),
        stream=response,
        watch=watch,
    )


def _opener(watch: _Watch) -> urllib.request.OpenerDirector:
    # Not build_opener: it would follow a redirect to ftp: and file: as well.
    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler(),
        _WatchedHTTP(watch),
        _WatchedHTTPS(watch),
        _SafeRedirects(),
        urllib.request.HTTPDefaultErrorHandler(),
        urllib.request.HTTPErrorProcessor(),
        urllib.request.UnknownHandler(),
    ):
        opener.add_handler(handler)
    return opener


def _refusal(url: str, status: int, headers: Any) -> FetchError:
    if status in TRANSIENT:
        asked = _seconds(headers.get("Retry-After", ""))
        return TransientError(f"{url}: the server answers {status}", retry_after_s=asked)
    if status == 416:
        return RangeError(f"{url}: the server has no such part of the file (416)")
    cure = {
        404: "it may have been withdrawn",
        401: "it may not be public",
        403: "it may not be public, or a firewall refuses",
        407: "the proxy wants a name and a password",
        **dict.fromkeys((301, 302, 303, 307, 308), "it sends in circles, or too often elsewhere"),
    }.get(status, "try again later")
    return FetchError(f"{url}: expected the file, got status {status}; {cure}")


def _no_connection(url: str, error: BaseException) -> FetchError:
    reason = getattr(error, "reason", error)
    text = f"{url}: no connection ({_reason(reason)})"
    if isinstance(reason, ssl.SSLCertVerificationError):
        return FetchError(f"{text}; the certificate is not trusted: check date and proxy")
    if isinstance(error, ValueError) or "unknown url type" in str(reason):
        return FetchError(f"{url}: expected an address, got one that cannot be read ({reason})")
    return TransientError(f"{text}; check the network, and HTTPS_PROXY if there is a proxy")


def _reason(error: Any) -> str:
    return str(error) or type(error).__name__


def _seconds(text: str) -> float | None:
    """``Retry-After`` in seconds: a number or a date; None if it is neither."""
    if text.strip().isdigit():
        return float(text)
    try:
        return max(0.0, email.utils.parsedate_to_datetime(text).timestamp() - time.time())
    except (ValueError, TypeError):
        return None
