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
# Imports once, then builds without tables and figures in forks of itself.  A fork counts what it
# asks of the file system, and dies when told: at that moment, or a little later.
KILLER = """
import os, signal, sys
import atlas.build
from atlas.store import Settings
atlas.build.PRODUCTS = atlas.build.PRODUCTS_BESIDE = "none"
count = 0

def watch(event, _):
    global count
    if event == "open" or event.startswith(("os.", "tempfile.", "ctypes.")):
        count += 1
        if count == moment:
            if later:
                signal.setitimer(signal.ITIMER_REAL, later)
            else:
                os.kill(os.getpid(), signal.SIGKILL)

for line in sys.stdin:
    cohort, out, rotation, moment, later = line.rstrip("\\n").split("\\t")
    moment, later = int(moment), float(later)
    read, write = os.pipe()
    child = os.fork()
    if not child:
        sys.addaudithook(watch)
        settings = Settings(root=8, dura=(12, 12), cord=(10, 8), rotation=rotation)
        atlas.build.build(cohort, out, settings)
        os.write(write, str(count).encode())
        os._exit(0)
    os.close(write)
    _, status = os.waitpid(child, 0)
    print(status, os.read(read, 20).decode() or 0, flush=True)
    os.close(read)
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
    """Builds of one cohort that are killed at a moment of their own; use it as a context."""

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

    def build(self, out: Path, rotation: str, moment: int = 0, later: float = 0.0):
        """Build, until the process asks the file system for the ``moment``-th thing.

        With ``later`` it dies up to so many seconds after that, in whatever it does then.  Returns
        the status of the process, and how many things it asked for if it came to the end.
        """
        words = map(str, (self.cohort, out, rotation, moment, later))
        self.process.stdin.write("\t".join(words) + "\n")
        self.process.stdin.flush()
        status, count = map(int, self.process.stdout.readline().split())
        return status, count


def contents(folder: Path) -> dict[str, bytes]:
    """Every file of a folder, by name."""
    return {
        p.relative_to(folder).as_posix(): p.read_bytes()
        for p in sorted(folder.rglob("*"))
        if p.is_file()
    }
