"""Whatever the file system or a signal does to a command, the old result or the new one is there.

Each command that writes is run with a fault at one of the things it asks of the file system.  After
it the place holds the old result or the new one, whole; what others have there is as it was; one
line says what happened, and the exit code what kind of thing it was; no process is left; and after
the next good run no temporary file is.
"""

from __future__ import annotations

import os
import random
import shutil
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import writing_commands
from figshare_server import serve, zip_bytes
from injected_faults import ERRORS, FAULTS, FULL, Ended, Injector
from small_builds import contents

from atlas.data.remote.catalogue import DERIVED
from atlas.output import replacing
from atlas.output.results import LIST

pytestmark = pytest.mark.skipif(replacing.locks is None, reason="POSIX signals and locks")
# So long a series of faults of one command may go on; a longer one is asked for by the variable.
SERIES_S = float(os.environ.get("ATLAS_FAULTS_S", "5"))
# The share of faults in the last moments, where the new result takes its place.
LATE, LAST_MOMENTS = 0.5, 30
MINE = {"notes.txt": b"mine", "meshes/mine/cut.stl": b"mine too"}
STOPPED = {"SIGKILL": (-9,), "SIGTERM": (143,), "SIGINT": (130,)}
REFUSED = ("EACCES", "EROFS")
QUICK = ("export npz", "mesh")
NAMES = tuple(writing_commands.commands(Path()))
PLAIN = ("build", "build --workers", "demo")


@pytest.fixture(scope="module")
def inputs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("inputs")
    writing_commands.write_inputs(folder)
    return folder


@pytest.fixture(scope="module")
def injector(tmp_path_factory):
    with Injector(tmp_path_factory.mktemp("results")) as started:
        yield started


@dataclass(slots=True)
class Series:
    """Faults of one command, one after the other at the same place."""

    injector: Injector
    command: writing_commands.Command
    plain: bool
    place: Path
    code: int = 0
    moments: int = 0
    old: dict[str, bytes] = field(default_factory=dict)
    new: dict[str, bytes] = field(default_factory=dict)
    outcomes: Counter[str] = field(default_factory=Counter)

    def run(self, *, old: bool = False, **fault) -> Ended:
        return self.injector.run(*self.command.args(self.place, old=old), plain=self.plain, **fault)

    def begin(self) -> None:
        self.place.parent.mkdir()
        (self.place.parent / "neighbour.txt").write_text("theirs")
        made = []
        for old in (True, False):
            ended = self.run(old=old)
            assert ended.code in (0, 1), ended.errors
            made.append(contents_at(self.place))
            remove(self.place)
            self.code = ended.code
        self.old, self.new = made
        assert self.old != self.new
        self.put_back()
        ended = self.run()
        assert self.found() == self.new
        self.moments = ended.moments

    def put_back(self) -> None:
        """The old result, and files of others among it."""
        remove(self.place)
        if "" in self.old:
            self.place.write_bytes(self.old[""])
            return
        for name, content in (self.old | MINE).items():
            (self.place / name).parent.mkdir(parents=True, exist_ok=True)
            (self.place / name).write_bytes(content)

    def found(self) -> dict[str, bytes]:
        """What is there, without the files of others, which are as they were."""
        found = contents_at(self.place)
        assert (self.place.parent / "neighbour.txt").read_text() == "theirs"
        if "" in self.old:
            return found
        # What was under way when a process was killed, until the next one clears it.
        found = {n: c for n, c in found.items() if not n.startswith(".atlas-result-")}
        assert {n: found.pop(n, None) for n in MINE} == MINE
        return found

    def fail(self, moment: int, fault: str) -> None:
        self.put_back()
        ended = self.run(moment=moment, fault=fault)
        where = f"{fault} at {moment} of {self.moments}, {ended.what}: {ended}"
        found = self.found()
        assert found in (self.old, self.new), where
        if ended.code == self.code:
            assert found == self.new or not ended.what, where
        check_end(ended, fault, self.code, where)
        whose = "new" if found == self.new else "old"
        self.outcomes[f"{fault}: exit {ended.code}, {whose}"] += 1

    def end(self) -> None:
        """After a good run nothing is there but results."""
        self.put_back()
        ended = self.run()
        assert ended.code == self.code, ended.errors
        assert self.found() == self.new
        assert sorted(p.name for p in self.place.parent.iterdir()) == sorted(
            ["neighbour.txt", self.place.name]
        )
        nothing_temporary(self.place, self.injector)


def check_end(ended: Ended, fault: str, good: int, where: str) -> None:
    """The exit code is right, one line says why, and no process is left."""
    assert not ended.alive, where
    assert "Traceback" not in ended.errors, where
    if fault in ERRORS or fault == FULL:
        refused = (2,) if fault in REFUSED else ()
        assert ended.code in (good, 3, *refused), where
    else:
        assert ended.code in (STOPPED[fault] if ended.what or ended.code == -9 else (good,)), where
    if ended.code not in (good, -9):
        lines = ended.errors.splitlines()
        assert len(lines) == 1, where
        assert lines[0].startswith("atlas: "), where


def nothing_temporary(place: Path, injector: Injector) -> None:
    assert not [p for p in (injector.under / "tmp").iterdir() if not p.name.startswith("pymp-")]
    if place.is_dir():
        assert not [p for p in place.rglob("*") if ".atlas-" in str(p.relative_to(place))]


def contents_at(place: Path) -> dict[str, bytes]:
    """Files of a folder, or the one file under an empty name."""
    return {"": place.read_bytes()} if place.is_file() else contents(place)


def remove(place: Path) -> None:
    if place.is_dir():
        shutil.rmtree(place)
    else:
        place.unlink(missing_ok=True)


def moment_of(rng: random.Random, moments: int) -> int:
    first = max(1, moments - LAST_MOMENTS) if rng.random() < LATE else 1
    return rng.randint(first, moments)


def run_series(series: Series, *, seed: int, most: int | None = None) -> None:
    """Every kind of fault in turn at moments by chance, so many or so long."""
    series.begin()
    rng, until, done = random.Random(seed), time.monotonic() + SERIES_S, 0
    while done < most if most is not None else time.monotonic() < until:
        series.fail(moment_of(rng, series.moments), FAULTS[done % len(FAULTS)])
        done += 1
    series.end()
    for outcome, count in sorted(series.outcomes.items()):
        print(f"{count:5} {outcome}")


def series_of(name: str, inputs: Path, injector: Injector, place: str) -> Series:
    command = writing_commands.commands(inputs)[name]
    return Series(injector, command, name in PLAIN, injector.under / place / command.out)


@pytest.mark.parametrize("name", QUICK)
def test_a_few_faults_leave_the_old_result_or_the_new_one(name, inputs, injector):
    series = series_of(name, inputs, injector, f"quick {name}")
    run_series(series, seed=len(name), most=len(FAULTS))


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in NAMES if name != "sample"])
def test_many_faults_leave_the_old_result_or_the_new_one(name, inputs, injector):
    run_series(series_of(name, inputs, injector, f"slow {name}"), seed=7)


def sample_faults(inputs, injector, place, *, most=None):
    """Faults of a cohort that goes on after each of them."""
    command = writing_commands.commands(inputs)["sample"]
    place.parent.mkdir()
    whole = place.parent / "whole"
    ended = injector.run(*command.args(whole))
    assert ended.code == 0, ended.errors
    new, outcomes = contents(whole), Counter()
    rng, until, done = random.Random(3), time.monotonic() + SERIES_S, 0
    while done < most if most is not None else time.monotonic() < until:
        fault, moment = FAULTS[done % len(FAULTS)], moment_of(rng, ended.moments)
        failed = injector.run(*command.args(place), moment=moment, fault=fault)
        where = f"{fault} at {moment} of {ended.moments}, {failed.what}: {failed}"
        check_end(failed, fault, 0, where)
        found = contents(place) if place.exists() else {}
        found = {n: c for n, c in found.items() if not n.startswith(".atlas-result-")}
        found.pop("mine.txt", None)
        assert {n: c for n, c in found.items() if new.get(n) != c and n != LIST} == {}, where
        outcomes[f"{fault}: exit {failed.code}"] += 1
        done += 1
        if failed.code == 0:
            assert found == new, where
            shutil.rmtree(place)
        elif place.exists():
            (place / "mine.txt").write_text("mine")
    last = injector.run(*command.args(place))
    assert last.code == 0, last.errors
    assert {n: c for n, c in contents(place).items() if n != "mine.txt"} == new
    assert sorted(p.name for p in place.parent.iterdir()) == ["out", "whole"]
    nothing_temporary(place, injector)
    for outcome, count in sorted(outcomes.items()):
        print(f"{count:5} {outcome}")


@pytest.mark.slow
def test_a_few_faults_leave_finished_samples_and_nothing_else(inputs, injector):
    sample_faults(inputs, injector, injector.under / "quick sample" / "out", most=len(FAULTS))


@pytest.mark.slow
def test_many_faults_leave_finished_samples_and_nothing_else(inputs, injector):
    sample_faults(inputs, injector, injector.under / "slow sample" / "out")


@pytest.fixture(scope="module")
def site(inputs):
    markers = inputs / "a" / "markers"
    files = {f"markers/{n}": c for n, c in contents(markers).items() if n.startswith("sub-01/")}
    with serve() as site:
        site.publish(DERIVED, "markers.zip", zip_bytes(files))
        yield site


def fetch_faults(site, injector, folder, *, most=None):
    """Faults of a fetch that goes on after each of them."""
    folder.parent.mkdir()
    web = {"ATLAS_FIGSHARE_URL": site.url, "no_proxy": "127.0.0.1"}
    args = ("fetch", folder, "--what", "markers")
    ended = injector.run(*args, **web)
    assert ended.code == 0, ended.errors
    new, outcomes = contents(folder), Counter()
    rng, until, done = random.Random(5), time.monotonic() + SERIES_S, 0
    while done < most if most is not None else time.monotonic() < until:
        remove(folder)
        fault, moment = FAULTS[done % len(FAULTS)], moment_of(rng, ended.moments)
        failed = injector.run(*args, moment=moment, fault=fault, **web)
        where = f"{fault} at {moment} of {ended.moments}, {failed.what}: {failed}"
        check_end(failed, fault, 0, where)
        found = contents(folder / "markers") if (folder / "markers").exists() else {}
        assert found in ({}, contents_below(new, "markers/")), where
        again = injector.run(*args, **web)
        assert again.code == 0, (where, again.errors)
        fetched = contents(folder)
        assert fetched.keys() == new.keys(), where
        assert contents_below(fetched, "markers/") == contents_below(new, "markers/"), where
        nothing_temporary(folder, injector)
        outcomes[f"{fault}: exit {failed.code}"] += 1
        done += 1
    for outcome, count in sorted(outcomes.items()):
        print(f"{count:5} {outcome}")


def contents_below(found: dict[str, bytes], prefix: str) -> dict[str, bytes]:
    return {n.removeprefix(prefix): c for n, c in found.items() if n.startswith(prefix)}


@pytest.mark.slow
def test_a_few_faults_of_a_fetch_leave_all_or_nothing(site, injector):
    fetch_faults(site, injector, injector.under / "quick fetch" / "data", most=len(FAULTS))


@pytest.mark.slow
def test_many_faults_of_a_fetch_leave_all_or_nothing(site, injector):
    fetch_faults(site, injector, injector.under / "slow fetch" / "data")
