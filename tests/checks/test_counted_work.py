"""Work that is counted, not timed: what must be done once is done once."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import small_builds
import specimens

from atlas.data import markups, ordering
from atlas.data.dataset import read_dataset

# --- Reading and checking: files, points, contours, roots ---

ROOT = Path(__file__).resolve().parents[2]
# Of the participants' table: to list the subjects, where one may not hold them all, and to read.
TABLE_OPENED = 1
COUNT_OPENS = """
import json, sys
opened = []
cohort = sys.argv[1]
sys.addaudithook(
    lambda event, given: opened.append(str(given[0]))
    if event == "open" and str(given[0]).startswith(cohort) else None
)
import atlas.build
import atlas.large.landmarking
from atlas.large.memory import Budget
from atlas.large.resources import Resources
from atlas.store import Settings
atlas.build.PRODUCTS = atlas.build.LARGE_PRODUCTS = "none"
settings = Settings(root=8, dura=(12, 12), cord=(10, 8))
left_out = ["sub-02/roots/L3/left"]
if sys.argv[3] == "by passes":
    Budget.holds = lambda self, subjects, scheme: False
    atlas.large.landmarking.TASK_SUBJECTS = 2
    resources = Resources(max_memory="320MiB")
else:
    resources = None
atlas.build.build(cohort, sys.argv[2], settings, exclusions=left_out, resources=resources)
print(json.dumps(opened))
"""
LOADED = """
import json, sys
import atlas.data.dataset
import atlas.checks
print(json.dumps([m for m in sys.argv[1:] if m in sys.modules]))
"""


def said_by(code: str, *arguments: str) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        capture_output=True,
        check=True,
        env=os.environ | {"OPENBLAS_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)},
    )
    return json.loads(done.stdout)


@pytest.mark.slow
@pytest.mark.parametrize("way", ["in memory", "by passes"])
def test_a_build_opens_every_marker_file_once(tmp_path, way):
    cohort = small_builds.write_cohort(tmp_path)
    table = "participant_id\tage\n" + "".join(f"sub-0{i}\t30\n" for i in range(1, 5))
    (cohort / "participants.tsv").write_text(table)
    opened = Counter(said_by(COUNT_OPENS, str(cohort), str(tmp_path / "out"), way))
    assert opened.pop(str(cohort / "participants.tsv")) <= TABLE_OPENED
    assert opened == Counter(str(p) for p in cohort.rglob("*.json"))


def test_reading_and_checking_load_none_of_the_large_packages():
    large = [f"scipy.{m}" for m in ("stats", "spatial", "interpolate", "optimize", "special")]
    others = ("pandas", "matplotlib", "sklearn", "statsmodels", "trimesh", "nibabel")
    assert said_by(LOADED, *large, *others) == []


def test_sound_points_are_not_looked_at_one_by_one(tmp_path, monkeypatch):
    place = specimens.write_dataset(tmp_path, specimens.make_dataset(2))
    looked_at = []
    monkeypatch.setattr(markups, "_parse_position", lambda *given: looked_at.append(given))
    assert len(read_dataset(place).subjects) == 2
    assert looked_at == []


@pytest.mark.parametrize("upwards", [False, True])
def test_a_root_that_runs_steadily_down_is_ordered_by_one_descent(monkeypatch, upwards):
    points = np.array([[0.3 * i, 0, -2.0 * i] for i in range(30)])[:: -1 if upwards else 1]
    descents = []
    whole = ordering._descend
    monkeypatch.setattr(
        ordering, "_descend", lambda *given: descents.append(given) or whole(*given)
    )
    ordering.order_along_root(points)
    assert len(descents) == 1
