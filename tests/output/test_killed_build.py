"""A build that is killed at any moment leaves the old result or the new one, whole."""

from __future__ import annotations

import shutil
import signal

import numpy as np
import pytest
import small_builds

from atlas.output import replacing
from atlas.store import load_atlas

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(replacing.locks is None, reason="POSIX signals and locks"),
]
KILLS = 24
# The share of kills in the last moments, where the new result takes its place.
LATE = 0.5
LAST_MOMENTS = 0.4
LONGEST_WAIT_S = 0.003


def test_killed_at_any_of_many_moments_there_is_always_a_whole_result(tmp_path):
    cohort = small_builds.write_cohort(tmp_path)
    out = tmp_path / "results" / "out"
    rng = np.random.default_rng(11)
    with small_builds.Killer(cohort) as killer:
        killer.build(out, "full")
        new = small_builds.contents(out)
        status, _ = killer.build(out, "none")
        old = small_builds.contents(out)
        assert status == 0
        assert old.keys() == new.keys() and old != new
        shutil.copytree(out, tmp_path / "old")
        _, moments = killer.build(out, "full")
        put_back(tmp_path / "old", out)
        seen = []
        for kill in range(KILLS):
            low = 1 - LAST_MOMENTS if rng.random() < LATE else 0.0
            moment = int(rng.uniform(low, 1.0) * moments)
            later = rng.uniform(0.0, LONGEST_WAIT_S) if kill % 2 else 0.0
            status, _ = killer.build(out, "full", max(moment, 1), later)
            assert status in ((0, signal.SIGKILL, signal.SIGALRM) if later else (signal.SIGKILL,))
            found = small_builds.contents(out)
            assert found in (old, new)
            # One that was killed leaves at most one folder, and the next build removes it.
            assert len(list(out.parent.iterdir())) <= 2
            seen.append((status != 0, found == new))
            if found == new:
                put_back(tmp_path / "old", out)
        assert sum(killed for killed, _ in seen) > KILLS / 2
        assert {found_new for killed, found_new in seen if killed} == {False, True}
        assert killer.build(out, "full")[0] == 0
    assert list(out.parent.iterdir()) == [out]
    assert small_builds.contents(out) == new
    assert load_atlas(out).model.n_subjects == 4


def put_back(result, out):
    shutil.rmtree(out)
    shutil.copytree(result, out)
