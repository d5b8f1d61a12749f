"""``atlas build`` of a small cohort in a process of its own, with a small scheme."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import specimens

ROOT = Path(__file__).resolve().parents[1]
# As the command does it, with fewer landmarks: a build takes a second or two.
CODE = """
import sys
from atlas.build import build
from atlas.store import Settings
print("ready", flush=True)
settings = Settings(root=8, dura=(12, 12), cord=(10, 8), rotation=sys.argv[3])
build(sys.argv[1], sys.argv[2], settings)
"""
# Imports once, then builds without tables and figures in forks of itself, each killed when told.
KILLER = """
import os, signal, sys, time
import atlas.build
from atlas.store import Settings
atlas.build.PRODUCTS = atlas.build.PRODUCTS_BESIDE = "none"
for line in sys.stdin:
    cohort, out, rotation, seconds = line.rstrip("\\n").split("\\t")
    begun = time.monotonic()
    child = os.fork()
    if not child:
        settings = Settings(root=8, dura=(12, 12), cord=(10, 8), rotation=rotation)
        atlas.build.build(cohort, out, settings)
        os._exit(0)
    if seconds:
        time.sleep(float(seconds))
        os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    print(status, time.monotonic() - begun, flush=True)
"""


def write_cohort(folder: Path) -> Path:
    """Four subjects as marker files."""
    dataset = specimens.make_dataset(4, length_mm=140, conus_mm=100)
    return specimens.write_dataset(folder / "markers", dataset)


def start_build(cohort: Path, out: Path, *, rotation: str = "full", **environment: str):
    """Start a build; returns the process, which prints a line when it begins."""
    env = {k: v for k, v in os.environ.items() if k != "SOURCE_DATE_EPOCH"}
    return subprocess.Popen(
        [sys.executable, "-c", CODE, str(cohort), str(out), rotation],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=env | {"OPENBLAS_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)} | environment,
    )


def run_build(cohort: Path, out: Path, **options: str) -> Path:
    """Build to the end; returns the result's folder."""
    process = start_build(cohort, out, **options)
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 0, errors.decode()
    return out


class Killer:
    """Builds of one cohort that are killed after a while; use it as a context."""

    def __init__(self, cohort: Path) -> None:
        self.cohort = cohort

    def __enter__(self) -> Killer:
        env = os.environ | {"SOURCE_DATE_EPOCH": "1700000000", "OPENBLAS_NUM_THREADS": "1"}
        self.process = subprocess.Popen(
            [sys.executable, "-c", KILLER],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=env | {"PYTHONPATH": str(ROOT)},
        )
        return self

    def __exit__(self, *error: object) -> None:
        self.process.communicate(timeout=60)

    def build(self, out: Path, rotation: str, kill_after: float | None = None) -> tuple[int, float]:
        """Build, to the end or until killed: the status of the process, and its seconds."""
        seconds = "" if kill_after is None else str(kill_after)
        self.process.stdin.write("\t".join([str(self.cohort), str(out), rotation, seconds]) + "\n")
        self.process.stdin.flush()
        status, took = self.process.stdout.readline().split()
        return int(status), float(took)


def contents(folder: Path) -> dict[str, bytes]:
    """Every file of a folder, by name."""
    return {
        p.relative_to(folder).as_posix(): p.read_bytes()
        for p in sorted(folder.rglob("*"))
        if p.is_file()
    }
