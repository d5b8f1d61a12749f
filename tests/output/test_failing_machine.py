"""Places that cannot be written, full disks, a working folder that is gone: one line, its code."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import specimens

from atlas.build import build_atlas
from atlas.store import Settings, save_atlas

ROOT = Path(__file__).resolve().parents[2]
# Root may write anywhere, unless it gives that up.
AS_ANYBODY = (
    "setpriv",
    "--bounding-set=-dac_override,-dac_read_search",
    "--inh-caps=-dac_override,-dac_read_search",
)
EXPORT = ("export", "MODEL", "--to", "csv", "-o")
WRITERS = {
    "export csv": EXPORT,
    "export npz": ("export", "MODEL", "--to", "npz", "-o"),
    "sample": ("sample", "MODEL", "-n", "1", "-o"),
    "fetch": ("fetch",),
}


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    place = tmp_path_factory.mktemp("model") / "model.h5"
    dataset = specimens.make_dataset(5, length_mm=140, conus_mm=100)
    return save_atlas(build_atlas(dataset, Settings(root=16, dura=(16, 16), cord=(16, 12))), place)


def run(*words, model, before=(), **more):
    args = [str(model) if word == "MODEL" else str(word) for word in words]
    return subprocess.run(
        [*before, sys.executable, "-P", "-m", "atlas", *args],
        check=False,
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        **more,
    )


def one_line(done) -> str:
    assert len(done.stderr.splitlines()) == 1, done.stderr
    assert done.stderr.startswith("atlas: ")
    return done.stderr


def as_anybody():
    if os.geteuid():
        return ()
    if shutil.which("setpriv") is None:
        pytest.skip("root writes everywhere, and there is no setpriv to give that up")
    tried = subprocess.run([*AS_ANYBODY, "true"], check=False, capture_output=True)
    if tried.returncode:
        pytest.skip("root writes everywhere, and may not give that up here")
    return AS_ANYBODY


@pytest.mark.slow
@pytest.mark.parametrize("words", WRITERS.values(), ids=WRITERS)
def test_a_folder_that_is_read_only_is_said_and_nothing_is_written(words, model, tmp_path):
    before = as_anybody()
    place = tmp_path / "locked"
    place.mkdir(mode=0o555)
    name = "out.npz" if "npz" in words else "out"
    done = run(*words, place / name, model=model, before=before)
    assert done.returncode == 2, done.stderr
    assert "cannot be written" in one_line(done)
    assert list(place.iterdir()) == []


@pytest.fixture
def small_disk(tmp_path):
    if not sys.platform.startswith("linux") or os.geteuid():
        pytest.skip("only root mounts a disk of its own")
    place = tmp_path / "disk"
    place.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(place)]
    if subprocess.run(command, check=False, capture_output=True).returncode:
        pytest.skip("a disk cannot be mounted here")
    yield place
    subprocess.run(["umount", str(place)], check=True)


@pytest.mark.slow
@pytest.mark.parametrize("to", ["csv", "npz", "statismo"])
def test_a_full_disk_is_said_by_name_and_leaves_nothing(to, model, small_disk):
    place = small_disk / {"csv": "out", "npz": "out.npz", "statismo": "out.h5"}[to]
    done = run("export", "MODEL", "--to", to, "-o", place, model=model)
    assert done.returncode == 3, done.stderr
    said = one_line(done)
    assert f"{small_disk}/" in said
    assert "No space left on device" in said
    assert "make room and run it again" in said
    assert list(small_disk.iterdir()) == []


@pytest.mark.skipif(sys.platform == "win32", reason="a folder in use cannot be removed there")
def test_in_a_working_folder_that_is_gone_nothing_is_written(model, tmp_path):
    gone = tmp_path / "gone"
    gone.mkdir()
    whole = tmp_path / "whole"
    command = f"cd {gone} && rmdir {gone} && exec "
    python = f"{sys.executable} -P -m atlas export {model} --to csv -o "
    env = os.environ | {"PYTHONPATH": str(ROOT)}
    for out in (whole, "out"):
        gone.mkdir(exist_ok=True)
        done = subprocess.run(
            ["/bin/sh", "-c", f"{command}{python}{out}"],
            check=False,
            capture_output=True,
            text=True,
            env=env,
        )
        assert done.returncode == 2, done.stderr
        assert "current folder: expected one that is there" in one_line(done)
    assert not whole.exists()
