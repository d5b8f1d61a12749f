import json
import zlib

import pytest

from atlas.data.remote.extraction import Written
from atlas.data.remote.manifest import (
    MANIFEST,
    ManifestError,
    Record,
    State,
    checksum,
    read_manifest,
    state_of,
    write_manifest,
)

FILES = {"m/a": Written(3, zlib.crc32(b"abc")), "m/b": Written(0, 0)}


def written(folder):
    (folder / "m").mkdir()
    (folder / "m/a").write_bytes(b"abc")
    (folder / "m/b").write_bytes(b"")
    return folder


def test_what_is_written_is_read_back(tmp_path):
    record = Record({"md5": "0" * 32, "url": "http://x", "date": "2024"}, False, FILES)
    write_manifest(tmp_path, {"m.zip": record})
    (name, found), *others = read_manifest(tmp_path).items()
    assert (name, others, found.complete) == ("m.zip", [], False)
    assert dict(found.files) == FILES
    assert dict(found.source) == dict(record.source)
    document = json.loads((tmp_path / MANIFEST).read_text())
    assert document["fetched"]["m.zip"]["files"]["m/a"] == {"bytes": 3, "crc32": "352441c2"}


def test_without_a_manifest_nothing_was_fetched(tmp_path):
    assert read_manifest(tmp_path) == {}


@pytest.mark.parametrize("text", ["", "[]", '{"fetched": 3}', '{"fetched": {"m": {"files": {}}}}'])
def test_a_manifest_that_cannot_be_read_is_said(tmp_path, text):
    (tmp_path / MANIFEST).write_text(text)
    with pytest.raises(ManifestError, match=r"fetched.json: expected the list of what was fetched"):
        read_manifest(tmp_path)


def test_files_are_whole_changed_or_absent(tmp_path):
    assert state_of(tmp_path, FILES) == (State.ABSENT, ("m/a", "m/b"))
    written(tmp_path)
    assert state_of(tmp_path, FILES) == (State.WHOLE, ())
    (tmp_path / "m/a").write_bytes(b"abd")
    assert state_of(tmp_path, FILES) == (State.CHANGED, ("m/a",))
    (tmp_path / "m/a").unlink()
    assert state_of(tmp_path, FILES) == (State.CHANGED, ("m/a",))


def test_the_checksum_is_that_of_the_standard_library(tmp_path):
    (tmp_path / "x").write_bytes(b"123456789" * 400_000)
    assert checksum(tmp_path / "x") == Written(3_600_000, zlib.crc32(b"123456789" * 400_000))
