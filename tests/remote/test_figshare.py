"""figshare's interface against a server on loopback: listings, refusals, redirects."""

from __future__ import annotations

import email.utils
import json
import socket
import time
import urllib.request

import pytest
from figshare_server import impatient, serve

from atlas.data.remote.figshare import BASE_URL, _SafeRedirects, base_url, open_reply, read_article
from atlas.data.remote.retry import FetchError, RangeError, TransientError

CONTENT = bytes(range(256)) * 40


@pytest.fixture
def site():
    with serve() as site:
        yield site


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch):
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)


def article(site, number=7, **options):
    return read_article(number, base=site.url, patience=impatient(**options))


def body(url, **part):
    with open_reply(url, timeout_s=5, **part) as reply:
        return b"".join(iter(lambda: reply.read(1000), b"")), reply


def test_an_article_names_its_files_licence_and_version(site):
    file = site.publish(7, "markers.zip", CONTENT)
    found = article(site)
    assert (found.id, found.doi, found.version) == (7, "10.6084/m9.figshare.7.v1", 1)
    assert (found.licence, found.licence_url) == ("CC BY 4.0", "https://creativecommons.org/by/4")
    listed = found.file("markers.zip")
    assert (listed.id, listed.size, listed.md5, listed.url) == (
        file.id,
        len(CONTENT),
        file.md5,
        f"{site.url}/files/{file.id}",
    )


def test_a_file_that_is_not_listed_is_said_with_those_that_are(site):
    site.publish(7, "a.zip", b"")
    site.publish(7, "linked.zip", b"", is_link_only=True)
    with pytest.raises(FetchError, match=r"figshare article 7: expected a file b.zip, got a.zip$"):
        article(site).file("b.zip")


def test_an_article_that_is_not_there_is_said_at_once(site):
    with pytest.raises(FetchError, match=r"/v2/articles/8: .* got status 404; it may have been"):
        article(site, 8)
    assert len(site.requests) == 1


@pytest.mark.parametrize(
    "entry",
    [
        {"computed_md5": "", "supplied_md5": None},
        {"computed_md5": "../../../up"},
        {"download_url": "file:///etc/passwd"},
        {"size": -1},
        {"size": "many"},
        {"id": "x"},
    ],
    ids=str,
)
def test_a_listing_that_makes_no_sense_is_refused(site, entry):
    site.publish(7, "a.zip", CONTENT)
    site.articles[7][0].update(entry)
    with pytest.raises(FetchError, match="expected a figshare article as JSON"):
        article(site)


def test_a_log_in_page_instead_of_the_listing_is_said_to_be_one(site):
    site.fail("/v2/articles/7", ("page",))
    with pytest.raises(FetchError, match=r"as JSON, got '<html><body>Please.*a log-in page may"):
        article(site)


def test_an_endless_listing_is_cut_and_refused(site, monkeypatch):
    monkeypatch.setattr("atlas.data.remote.figshare.LONGEST_LISTING_BYTES", 100)
    site.publish(7, "a" * 100_000, CONTENT)
    with pytest.raises(FetchError, match="expected a figshare article as JSON"):
        article(site)


def test_bad_moments_pass_and_retry_after_is_honoured(site):
    site.publish(7, "a.zip", CONTENT)
    date = email.utils.formatdate(time.time() + 60, usegmt=True)
    faults = [("status", s) for s in (500, 502, 503, 504)]
    site.fail("/v2/articles/7", ("status", 429, {"Retry-After": "7"}), *faults, ("drop",))
    site.fail("/v2/articles/7", ("status", 503, {"Retry_After": date}))
    waits = []
    patience = impatient(waits, attempts=9)
    assert read_article(7, base=site.url, patience=patience).files[0].name == "a.zip"
    assert waits[:6] == [7.0, 2.0, 4.0, 8.0, 16.0, 32.0]
    assert 55 < waits[6] <= 60
    assert len(site.requests) == 8


def test_silence_counts_as_a_failure_that_may_pass(site):
    site.publish(7, "a.zip", CONTENT)
    site.fail("/v2/articles/7", ("hang",))
    assert article(site, timeout_s=0.05).id == 7
    assert len(site.requests) == 2


def test_no_connection_is_said_with_what_to_look_at():
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        base = f"http://127.0.0.1:{held.getsockname()[1]}"
        with pytest.raises(
            FetchError, match=r"no connection \(.*refused\); check the network, .*3 a"
        ):
            read_article(7, base=base, patience=impatient(attempts=3))


def test_redirects_are_followed_and_the_part_asked_for_is_what_comes(site):
    file = site.publish(7, "a.zip", CONTENT)
    whole, reply = body(file.url)
    assert (whole, reply.status, reply.total, reply.first) == (CONTENT, 200, len(CONTENT), 0)
    part, reply = body(file.url, first=100, last=299)
    assert (part, reply.status, reply.first, reply.total) == (CONTENT[100:300], 206, 100, 10240)
    assert site.ranges(file) == ["", "bytes=100-299"]
    with pytest.raises(RangeError, match="no such part of the file"):
        body(file.url, first=len(CONTENT))


@pytest.mark.parametrize(
    ("status", "text"),
    [(403, "may not be public, or a firewall"), (407, "the proxy wants"), (418, "try again later")],
)
def test_a_refusal_is_said_with_its_number_and_a_cure(site, status, text):
    file = site.publish(7, "a.zip", CONTENT)
    site.fail(site.storage(file), ("status", status))
    with pytest.raises(FetchError, match=rf"got status {status}; .*{text}"):
        body(file.url)


def test_an_encoded_file_and_a_part_without_its_place_are_refused(site):
    file = site.publish(7, "a.zip", CONTENT)
    site.fail(site.storage(file), ("status", 200, {"Content-Encoding": "gzip"}), ("status", 206))
    with pytest.raises(FetchError, match="expected the file as it is, got it encoded as gzip"):
        body(file.url)
    with pytest.raises(RangeError, match="got no Content-Range"):
        body(file.url, first=5)


def test_a_connection_that_stalls_is_a_failure_that_may_pass(site):
    file = site.publish(7, "a.zip", CONTENT)
    site.fail(site.storage(file), ("stall", 10))
    with open_reply(file.url, timeout_s=0.05) as reply:
        assert reply.read(10) == CONTENT[:10]
        with pytest.raises(TransientError, match="the connection broke"):
            reply.read(10)


def test_redirects_lead_to_no_other_protocol_and_out_of_no_encryption(site):
    file = site.publish(7, "a.zip", CONTENT)
    site.fail(f"/files/{file.id}", ("status", 302, {"Location": "ftp://127.0.0.1/a.zip"}))
    site.fail(f"/files/{file.id}", ("status", 302, {"Location": "file:///etc/passwd"}))
    for _ in range(2):
        with pytest.raises(FetchError, match=r"expected an address|status 302"):
            body(file.url)

    class Answer:
        def close(self):
            self.closed = True

    request = urllib.request.Request("https://figshare.com/a.zip")
    with pytest.raises(FetchError, match=r"to stay encrypted, got sent to http://x/a.zip"):
        _SafeRedirects().redirect_request(request, Answer(), 302, "", {}, "http://x/a.zip")


def test_proxies_are_those_of_the_environment(site, monkeypatch):
    monkeypatch.setenv("http_proxy", site.url)
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    site.contents["http://far.invalid/a.zip"] = b"by proxy"
    assert body("http://far.invalid/a.zip")[0] == b"by proxy"


def test_the_address_is_figshares_unless_the_environment_says_otherwise(monkeypatch):
    monkeypatch.delenv("ATLAS_FIGSHARE_URL", raising=False)
    assert base_url() == BASE_URL
    monkeypatch.setenv("ATLAS_FIGSHARE_URL", "http://mirror/")
    assert base_url() == "http://mirror"
    monkeypatch.setenv("ATLAS_FIGSHARE_URL", "mirror")
    with pytest.raises(FetchError, match="ATLAS_FIGSHARE_URL: expected http://… or https://…, got"):
        base_url()


def test_the_listing_of_the_test_server_has_the_fields_figshare_documents(site):
    site.publish(7, "a.zip", CONTENT)
    document = json.loads(body(f"{site.url}/v2/articles/7")[0])
    assert set(document) >= {"id", "title", "doi", "version", "license", "files"}
    fields = {"id", "name", "size", "is_link_only", "download_url", "supplied_md5", "computed_md5"}
    assert set(document["files"][0]) >= fields
