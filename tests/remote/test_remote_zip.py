"""A remote file read in parts gives the same bytes as the file, for few requests."""

from __future__ import annotations

import io
import zipfile

import numpy as np
import pytest
from figshare_server import impatient, serve, zip_bytes

from atlas.data.remote.remote_zip import RangeFile
from atlas.data.remote.retry import FetchError, RangeError

CONTENT = np.random.default_rng(5).bytes(10_000)


@pytest.fixture
def site():
    with serve() as site:
        yield site


def opened(site, content=CONTENT, **options):
    file = site.publish(7, "rawdata.zip", content)
    return file, RangeFile(file, **{"patience": impatient(), "block_bytes": 1000, **options})


def test_every_read_gives_what_the_file_holds(site):
    _, remote = opened(site, blocks_kept=3)
    local, rng = io.BytesIO(CONTENT), np.random.default_rng(1)
    for _ in range(60):
        place, count = int(rng.integers(0, 11_000)), int(rng.integers(0, 4000))
        assert remote.seek(place) == local.seek(place)
        assert remote.read(count) == local.read(count)
        assert remote.tell() == min(max(place, local.tell()), remote.tell())
    remote.seek(-10, io.SEEK_END)
    assert remote.read() == CONTENT[-10:]
    with pytest.raises(ValueError, match="expected a place within the file, got -1"):
        remote.seek(-1)


def test_blocks_are_kept_and_neighbours_come_in_one_request(site):
    file, remote = opened(site)
    remote.seek(2500)
    remote.read(3000)
    remote.seek(2100)
    remote.read(100)
    assert site.ranges(file) == ["bytes=2000-5999"]
    remote.seek(9990)
    remote.read(100)
    assert site.ranges(file)[1:] == ["bytes=9000-9999"]
    assert remote.bytes_fetched == 5000


def test_memory_is_bounded_by_the_blocks_kept(site):
    file, remote = opened(site, blocks_kept=2)
    remote.read(10_000)
    assert len(remote._blocks) == 2
    remote.seek(0)
    remote.read(1)
    assert len(site.ranges(file)) == 2


def test_a_member_of_an_archive_costs_its_bytes_and_the_directory(site):
    files = {
        f"rawdata/sub-{i:02d}.nii.gz": np.random.default_rng(i).bytes(50_000) for i in range(9)
    }
    content = zip_bytes({**files, "rawdata/participants.tsv": b"participant_id\tage\n"})
    file, remote = opened(site, content)
    with zipfile.ZipFile(remote) as archive:
        assert archive.read("rawdata/participants.tsv") == b"participant_id\tage\n"
        assert remote.bytes_fetched < 5000 < len(content) / 90
        assert archive.read("rawdata/sub-04.nii.gz") == files["rawdata/sub-04.nii.gz"]
    assert remote.bytes_fetched < 60_000
    assert all(asked.startswith("bytes=") for asked in site.ranges(file))


def test_a_bad_moment_passes(site):
    file, remote = opened(site)
    site.fail(site.storage(file), ("status", 503), ("drop",), ("truncate", 10), ("page",))
    assert remote.read(500) == CONTENT[:500]
    assert len(site.ranges(file)) == 5


def test_a_server_without_ranges_is_said_and_its_body_is_not_read(site):
    file, remote = opened(site)
    site.fail(site.storage(file), ("whole",))
    with pytest.raises(RangeError, match=r"part of rawdata.zip, the server sends only all of it"):
        remote.read(1)


def test_a_file_that_changes_while_it_is_read_is_refused(site):
    file, remote = opened(site)
    remote.read(1)
    site.fail(site.storage(file), ("tag",))
    remote.seek(5000)
    with pytest.raises(FetchError, match=r"rawdata.zip changed while it was read"):
        remote.read(1)
    site.fail(site.storage(file), ("total", 10_001))
    with pytest.raises(FetchError, match=r"expected 10000 bytes .*, the server offers 10001"):
        remote.read(1)
