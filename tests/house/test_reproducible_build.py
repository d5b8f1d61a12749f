"""Same in, same out: the same bytes, whatever the clock, the hash seed and the threads."""

from __future__ import annotations

import json

import h5py
import numpy as np
import pandas as pd
import pytest
import small_builds
import trimesh

from atlas.hdf5.fields import DIGEST

pytestmark = pytest.mark.slow
CLOCK = "1700000000"


@pytest.fixture(scope="module")
def builds(tmp_path_factory):
    """One cohort built under different circumstances."""
    folder = tmp_path_factory.mktemp("builds")
    cohort = small_builds.write_cohort(folder)
    circumstances = {
        "one": {"SOURCE_DATE_EPOCH": CLOCK, "PYTHONHASHSEED": "1"},
        "two": {"SOURCE_DATE_EPOCH": CLOCK, "PYTHONHASHSEED": "2", "TZ": "Asia/Tokyo"},
        "later": {"PYTHONHASHSEED": "3"},
        "threads": {"SOURCE_DATE_EPOCH": CLOCK, "OPENBLAS_NUM_THREADS": "2"},
    }
    return {
        name: small_builds.run_build(cohort, folder / name / "out", **environment)
        for name, environment in circumstances.items()
    }


def values_of(path):
    """Every dataset and attribute of an HDF5 file, by name."""
    found = {}
    with h5py.File(path) as file:

        def visit(name, item):
            found.update({f"{name}@{k}": v for k, v in item.attrs.items()})
            if isinstance(item, h5py.Dataset):
                found[name] = item[()]

        file.visititems(visit)
    return found


def is_number(value):
    return np.issubdtype(np.asarray(value).dtype, np.number)


def test_with_a_fixed_clock_every_file_has_the_same_bytes(builds):
    one, two = (small_builds.contents(builds[n]) for n in ("one", "two"))
    assert list(one) == list(two)
    assert len(one) > 100
    assert [name for name in one if one[name] != two[name]] == []


def test_without_it_only_the_time_of_the_build_differs(builds):
    one, later = (small_builds.contents(builds[n]) for n in ("one", "later"))
    assert [n for n in one if one[n] != later[n]] == ["model.h5", "provenance.json"]
    first, second = (json.loads(c["provenance.json"]) for c in (one, later))
    assert {k for k in first if first[k] != second[k]} == {"created"}
    assert first["created"] == "2023-11-14T22:13:20Z"
    values, others = (values_of(builds[n] / "model.h5") for n in ("one", "later"))
    assert list(values) == list(others)
    differing = [k for k in values if not np.array_equal(values[k], others[k])]
    # The digest is of all that stands there, the time among it.
    assert differing.pop(differing.index(f"atlas@{DIGEST}"))
    for name in differing:
        texts = [
            v[name].decode() if isinstance(v[name], bytes) else v[name] for v in (values, others)
        ]
        assert texts[0].replace(first["created"], second["created"]) == texts[1], name


def test_the_number_of_threads_does_not_change_results(builds):
    values, others = (values_of(builds[n] / "model.h5") for n in ("one", "threads"))
    assert list(values) == list(others)
    for name, value in values.items():
        if is_number(value):
            np.testing.assert_allclose(others[name], value, rtol=1e-9, atol=1e-9, err_msg=name)
        else:
            assert others[name] == value, name
    # An STL holds float32: 1e-5 mm is its last place at 100 mm.
    for path in sorted((builds["one"] / "meshes").rglob("*.stl")):
        other = builds["threads"] / path.relative_to(builds["one"])
        one, two = (trimesh.load_mesh(p, process=False) for p in (path, other))
        np.testing.assert_allclose(two.triangles, one.triangles, atol=4e-5)
    for path in sorted(builds["one"].rglob("*.csv")):
        other = builds["threads"] / path.relative_to(builds["one"])
        pd.testing.assert_frame_equal(*(pd.read_csv(p, comment="#") for p in (path, other)))
