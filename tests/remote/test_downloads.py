"""A file over a connection that breaks, lies, stalls and changes its mind."""

from __future__ import annotations

import os
import shutil
import time
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from figshare_server import LOGIN_PAGE, impatient, serve

from atlas.data.remote.downloads import download, part_name
from atlas.data.remote.retry import HEADWAY_BYTES, FetchError
from atlas.output.files import OutputError

CONTENT = np.random.default_rng(3).bytes(300_000)


@pytest.fixture
def site():
    with serve() as site:
        yield site


@pytest.fixture
def file(site):
    return site.publish(7, "markers.zip", CONTENT)


def fetched(file, folder, **options):
    return download(file, folder, patience=impatient(**options)).read_bytes()


def test_a_file_comes_whole_and_says_how_far_it_is(site, file, tmp_path):
    said = []
    path = download(file, tmp_path, patience=impatient(), progress=lambda *a: said.append(a))
    assert path == tmp_path / f"{file.id}-{file.md5}.part"
    assert path.read_bytes() == CONTENT
    assert said[0] == ("markers.zip", 0, 300_000)
    assert said[-1] == ("markers.zip", 300_000, 300_000)
    assert [done for _, done, _ in said] == sorted(done for _, done, _ in said)


def test_an_empty_file_comes_too(site, tmp_path):
    assert fetched(site.publish(7, "empty", b""), tmp_path) == b""


def test_a_truncated_body_is_resumed_where_it_broke_off(site, file, tmp_path):
    site.fail(site.storage(file), ("truncate", 100_000), ("truncate", 150_000))
    assert fetched(file, tmp_path) == CONTENT
    assert site.ranges(file) == ["", "bytes=100000-", "bytes=250000-"]


def test_another_call_goes_on_with_what_the_last_one_left(site, file, tmp_path):
    (tmp_path / part_name(file)).write_bytes(CONTENT[:123_456])
    assert fetched(file, tmp_path) == CONTENT
    assert site.ranges(file) == ["bytes=123456-"]
    assert fetched(file, tmp_path) == CONTENT
    assert len(site.ranges(file)) == 1


def test_a_stalled_and_a_dropped_connection_are_resumed(site, file, tmp_path):
    site.fail(site.storage(file), ("stall", 70_000), ("drop",), ("status", 503))
    waits = []
    patience = impatient(waits, timeout_s=0.05)
    assert download(file, tmp_path, patience=patience).read_bytes() == CONTENT
    assert site.ranges(file) == ["", *["bytes=70000-"] * 3]
    # The first broke after some headway; the others are failures in a row.
    assert waits == [1.0, 2.0, 4.0]


def test_headway_starts_the_count_of_failures_anew(site, file, tmp_path):
    site.fail(site.storage(file), *[("truncate", HEADWAY_BYTES)] * 4)
    assert fetched(file, tmp_path, attempts=2) == CONTENT
    (tmp_path / part_name(file)).unlink()
    site.fail(site.storage(file), *[("truncate", 100)] * 4)
    with pytest.raises(
        FetchError, match=r"expected 300000 bytes of markers.zip, got 200 and the e"
    ):
        fetched(file, tmp_path, attempts=2)


def test_a_server_that_ignores_ranges_is_read_from_the_beginning(site, file, tmp_path):
    (tmp_path / part_name(file)).write_bytes(b"x" * 1000)
    site.fail(site.storage(file), ("whole",))
    assert fetched(file, tmp_path) == CONTENT
    assert site.ranges(file) == ["bytes=1000-"]


def test_another_version_starts_anew_and_leaves_the_old_part_alone(site, file, tmp_path):
    (tmp_path / part_name(file)).write_bytes(CONTENT[:1000])
    changed = site.publish(7, "markers.zip", CONTENT[::-1])
    assert fetched(changed, tmp_path) == CONTENT[::-1]
    assert site.ranges(changed) == [""]
    assert (tmp_path / part_name(file)).stat().st_size == 1000


def test_a_part_that_is_too_long_starts_anew(site, file, tmp_path):
    (tmp_path / part_name(file)).write_bytes(CONTENT + b"more")
    assert fetched(file, tmp_path) == CONTENT


def test_another_md5_is_one_clear_error_and_nothing_is_left(site, file, tmp_path):
    site.fail(site.storage(file), ("swap",))
    text = rf"expected markers.zip with MD5 {file.md5}, got \w{{32}}; what came is deleted: fetch"
    with pytest.raises(FetchError, match=text):
        fetched(file, tmp_path)
    assert list(tmp_path.iterdir()) == []
    assert fetched(file, tmp_path) == CONTENT


def test_a_spoilt_part_is_found_by_the_md5(site, file, tmp_path):
    (tmp_path / part_name(file)).write_bytes(b"x" * 1000)
    with pytest.raises(FetchError, match=r"expected markers.zip with MD5"):
        fetched(file, tmp_path)
    assert fetched(file, tmp_path) == CONTENT


def test_a_log_in_page_with_status_200_is_said_to_be_one(site, file, tmp_path):
    site.fail(site.storage(file), *[("page",)] * 3)
    with pytest.raises(
        FetchError, match=r"expected markers.zip, got a web page; a proxy or a log-"
    ):
        fetched(file, tmp_path, attempts=3)
    assert LOGIN_PAGE not in [p.read_bytes() for p in tmp_path.iterdir()]
    site.fail(site.storage(file), ("page",))
    assert fetched(file, tmp_path) == CONTENT


@pytest.mark.parametrize("said", [299_999, 300_001, 0])
def test_a_size_other_than_the_listings_is_refused(site, file, tmp_path, said):
    site.fail(site.storage(file), *[("length", said)] * 3)
    with pytest.raises(FetchError, match=rf"expected 300000 bytes .* the server offers {said};"):
        fetched(file, tmp_path, attempts=3)


def test_a_part_of_a_file_of_another_size_is_refused(site, file, tmp_path):
    (tmp_path / part_name(file)).write_bytes(CONTENT[:1000])
    site.fail(site.storage(file), *[("total", 299_999)] * 3)
    with pytest.raises(FetchError, match=r"the server offers 299999; given up after 3 attempts"):
        fetched(file, tmp_path, attempts=3)


def test_more_than_announced_is_never_kept(site, file, tmp_path):
    site.fail(site.storage(file), *[("silent", 5)] * 3)
    with pytest.raises(FetchError, match="got more than announced; given up after 3"):
        fetched(file, tmp_path, attempts=3)
    assert fetched(file, tmp_path) == CONTENT


def test_a_body_without_a_length_is_read_to_its_end(site, file, tmp_path):
    site.fail(site.storage(file), ("silent", 0))
    assert fetched(file, tmp_path) == CONTENT


def test_a_listing_that_lies_about_the_size_is_found(site, tmp_path):
    file = site.publish(7, "a.zip", CONTENT, size=1000)
    with pytest.raises(FetchError, match=r"bytes of a.zip, the server offers 300000"):
        fetched(file, tmp_path, attempts=2)


def test_too_little_room_is_said_before_anything_is_fetched(site, file, tmp_path, monkeypatch):
    huge = replace(file, size=10**9)
    monkeypatch.setattr(shutil, "disk_usage", lambda _p: SimpleNamespace(free=2_000_000))
    with pytest.raises(
        OutputError, match=r"expected 1000 MB of free space .*, got 2 MB; free some"
    ):
        fetched(huge, tmp_path)
    assert site.requests == []


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs a device that is always full")  # noqa: PTH110
def test_a_full_disk_is_said_plainly(site, file, tmp_path):
    (tmp_path / part_name(file)).symlink_to("/dev/full")
    with pytest.raises(
        OutputError, match=r"cannot be written \(No space left on device\); free som"
    ):
        fetched(file, tmp_path)


@pytest.mark.parametrize("fault", ["refuse", "other part"])
def test_a_server_that_does_not_go_on_is_read_anew_and_what_came_is_kept(
    site, file, tmp_path, fault
):
    site.fail(site.storage(file), ("truncate", 100_000), (fault,))
    assert fetched(file, tmp_path) == CONTENT
    assert site.ranges(file) == ["", "bytes=100000-", ""]


@pytest.mark.parametrize("fault", ["refuse", "other part"])
def test_a_server_that_never_goes_on_is_given_up_and_what_came_is_kept(site, file, tmp_path, fault):
    site.fail(site.storage(file), ("truncate", 100_000), (fault,), *[("truncate", 100_000)] * 9)
    text = r"given up after 6 attempts: .* 100000 of 300000 bytes are kept: the same command goes"
    with pytest.raises(FetchError, match=text):
        fetched(file, tmp_path)
    assert len(site.ranges(file)) == 6
    assert (tmp_path / part_name(file)).read_bytes() == CONTENT[:100_000]
    site.faults.clear()
    assert fetched(file, tmp_path) == CONTENT
    assert site.ranges(file)[-1] == "bytes=100000-"


def test_one_that_ends_elsewhere_each_time_makes_no_headway(site, file, tmp_path):
    ends = [150_000, 90_000, 140_000, 150_000, 100_000, 149_000, 150_000, 130_000]
    site.faults[site.storage(file)] = [("whole truncate", end) for end in ends]
    with pytest.raises(FetchError, match="given up after 6 attempts"):
        fetched(file, tmp_path)


@pytest.mark.parametrize("what", ["header", "chunk", "body"])
def test_a_drip_is_given_up_within_the_time_that_is_stated(site, file, tmp_path, what):
    site.fail(site.storage(file), *[("drip", what)] * 9)
    began = time.monotonic()
    with pytest.raises(
        FetchError,
        match=r"the connection is too slow; given up after 0 s that brought",
    ):
        fetched(file, tmp_path, stall_s=0.4)
    assert time.monotonic() - began < 3


def test_circles_and_long_ways_of_redirects_are_refused(site, file, tmp_path):
    for way in (f"/files/{file.id}", f"/files/{file.id}?*"):
        site.faults[f"/files/{file.id}"] = [("elsewhere", way)] * 20
        with pytest.raises(FetchError, match="got status 302; it sends in circles"):
            fetched(file, tmp_path)


def test_a_size_no_published_file_has_is_refused(site, file, tmp_path):
    with pytest.raises(FetchError, match=r"expected at most 16 GiB of markers.zip, the listing"):
        fetched(replace(file, size=10**15), tmp_path)
    assert site.requests == []


def test_nothing_is_left_where_nothing_came(site, file, tmp_path):
    site.fail(site.storage(file), *[("truncate", 0)] * 9)
    with pytest.raises(FetchError, match="given up after 6"):
        fetched(file, tmp_path)
    assert list(tmp_path.iterdir()) == []
