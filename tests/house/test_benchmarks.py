"""The comparison with peers: its data, its limit, and that it never compares what differs."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from populations import principal_angle
from scipy.spatial.transform import Rotation

from atlas.components.principal import principal_components
from atlas.landmarks.placing import LandmarkSet
from atlas.model.fitting import fit_shape_model
from atlas.procrustes.alignment import align

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"
# Last: nothing there may stand before a module of another name.
sys.path += [str(BENCHMARKS), str(BENCHMARKS / "peers_runners")]

import machine  # noqa: E402
import numpy_limit  # noqa: E402
import peers  # noqa: E402
import peers_data  # noqa: E402
import peers_environments  # noqa: E402
import peers_processes  # noqa: E402
import peers_rows  # noqa: E402
import peers_tables  # noqa: E402

SMALL = peers_data.Size(14, 250)


def landmark_set(size, points):
    ids = tuple(f"sub-{i:04d}" for i in range(size.shapes))
    return LandmarkSet(ids, peers_data.scheme(size), points, np.zeros(points.shape[:2], dtype=int))


@pytest.fixture(scope="module")
def points():
    return peers_data.group(SMALL)


@pytest.mark.parametrize("count", sorted(peers_data.SCHEMES))
def test_every_scheme_has_exactly_the_landmarks_it_is_listed_for(count):
    size = peers_data.Size(2, count)
    assert peers_data.scheme(size).size == count
    assert peers_data.group(size).shape == (2, count, 3)


def test_a_size_nobody_wrote_a_scheme_for_is_refused():
    with pytest.raises(ValueError, match=r"SHAPESxLANDMARKS with \[250, 1000, 2500\].*'14x300'"):
        peers_data.Size.of("14x300")
    assert peers_data.Size.of("2,000x1,000") == peers_data.Size(2000, 1000)


def test_the_same_seed_gives_the_same_group(points):
    np.testing.assert_array_equal(peers_data.group(SMALL), points)
    assert not np.array_equal(peers_data.group(SMALL, seed=1), points)


def test_modes_are_orthonormal_and_hold_no_rigid_motion():
    mean = peers_data.mean_shape(peers_data.scheme(SMALL))
    modes = peers_data.smooth_modes(mean)
    np.testing.assert_allclose(modes @ modes.T, np.eye(12), atol=1e-12)
    np.testing.assert_allclose(modes.reshape(12, -1, 3).sum(axis=1), 0, atol=1e-10)
    turning = np.cross(modes.reshape(12, -1, 3), mean - mean.mean(axis=0)).sum(axis=1)
    np.testing.assert_allclose(turning, 0, atol=1e-8)


def test_the_limit_and_this_package_agree(points):
    alignment = align(landmark_set(SMALL, points), anchor="centroid")
    model = fit_shape_model(alignment)
    aligned, mean, _ = numpy_limit.align(points)
    assert peers_processes.after_rigid_motion(alignment.mean, mean) < 1e-9
    _, modes, variance = numpy_limit.components(aligned)
    np.testing.assert_allclose(model.variance, variance, rtol=1e-7)
    # Into the frame of the package's mean, where the modes can be compared.
    turn = Rotation.align_vectors(alignment.mean, mean)[0].as_matrix()
    assert principal_angle(modes[:5] @ turn.T, model.modes[:5]) < 1e-4


@pytest.mark.parametrize("shape", [(5, 20, 3), (40, 6, 3)])
@pytest.mark.parametrize("by_axis", [False, True])
def test_components_of_the_limit_are_principal_components(shape, by_axis):
    shapes = np.random.default_rng(0).normal(size=shape)
    if by_axis:
        shapes = np.swapaxes(np.ascontiguousarray(np.swapaxes(shapes, 1, 2)), 1, 2)
    mean, modes, variance = numpy_limit.components(shapes)
    k = min(shape[0] - 1, 3 * shape[1])
    flat = modes.reshape(k, -1)
    np.testing.assert_allclose(flat @ flat.T, np.eye(k), atol=1e-10)
    deviations = (shapes - mean).reshape(shape[0], -1)
    np.testing.assert_allclose(variance, principal_components(deviations)[1], rtol=1e-9)
    scores = deviations @ flat.T
    np.testing.assert_allclose((scores**2).sum(axis=0) / (shape[0] - 1), variance, rtol=1e-9)


def test_leading_components_are_the_fewest_that_hold_the_share(points):
    aligned = numpy_limit.align(points)[0]
    variance = numpy_limit.components(aligned)[2]
    leading = numpy_limit.components(aligned, variance_held=0.99)[2]
    share = np.cumsum(variance) / variance.sum()
    assert share[len(leading) - 1] >= 0.99 > share[len(leading) - 2]
    np.testing.assert_allclose(leading, variance[: len(leading)], rtol=1e-12)


def test_draws_of_the_limit_have_the_covariance_of_the_loadings():
    loadings = np.array([[2.0, 0, 0, 0, 0, 0], [0, 0, 0, 0, 0, 0.5]])
    mean = np.arange(6.0).reshape(2, 3)
    shapes = numpy_limit.draws(mean, loadings, 4000, np.random.default_rng(1))
    spread = (shapes - mean).reshape(4000, -1).std(axis=0)
    np.testing.assert_allclose(spread, [2, 0, 0, 0, 0, 0.5], rtol=0.05)


def test_means_that_differ_by_a_rigid_motion_are_equal_and_mirror_images_are_not():
    shape = np.random.default_rng(2).normal(size=(30, 3))
    moved = Rotation.from_euler("xyz", [1, 2, 3]).apply(shape) + 5
    assert peers_processes.after_rigid_motion(moved, shape) < 1e-14
    assert peers_processes.after_rigid_motion(moved * (-1, 1, 1), shape) > 0.1
    assert peers_processes.after_rigid_motion(1.1 * moved, shape) == pytest.approx(0.1)


def test_another_number_of_modes_is_said_and_not_equal():
    mean = np.eye(3)
    found = peers_processes.deviation(
        {"mean": mean, "variance": np.ones(3)}, {"mean": mean, "variance": np.ones(2)}
    )
    assert found["variance"] == "3 instead of 2"
    assert not peers_processes.is_equal(found)
    assert not peers_processes.is_equal({})
    assert peers_processes.is_equal({"mean": 1e-7, "variance": 0.0})


def row(peer, *seconds, equal=True):
    made = peers_rows.Row(peer, "align", SMALL, equal=equal)
    for turn, value in enumerate(seconds):
        made.add(turn, (value, value))
    return made


def test_ratios_are_of_the_same_round_and_only_of_equal_results():
    ours, theirs, other = row("a", 9, 1, 2), row("b", 9, 3, 4), row("c", 9, 1, 1, equal=False)
    for each in (theirs, other):
        each.compare(ours)
    assert theirs.ratio == {1: 3.0, 2: 2.0}
    assert theirs.record()["seconds"] == {"median": 3.5, "min": 3, "max": 4}
    assert other.ratio == {}
    assert other.record()["times_this_package"] is None


def test_slow_peers_run_less_often_and_their_first_run_counts():
    quick, slow, slower = row("a", 1.0), row("b", 30.0), row("c", 200.0)
    assert [quick.wants(turn, 5) for turn in (1, 5, 6)] == [True, True, False]
    assert [slow.wants(turn, 5) for turn in (1, 2, 3)] == [True, True, False]
    assert not slower.wants(1, 5)
    assert quick.counted() == {}
    assert slow.counted() == {0: 30.0}


def report(**changes):
    failed = peers_rows.Row("b", "align", SMALL, failure="more than 1 s")
    rows = [row("this package", 9, 1, 2), row("c", 9, 4, 8), row("d", 9, 4, 4, equal=False), failed]
    rows[1].compare(rows[0])
    rows[2].deviation = {"mean": 0.03}
    return {
        "date": "2026-01-01",
        "machine": machine.machine(),
        "threads": 2,
        "repeats": 2,
        "equal_to": 1e-6,
        "peers": {"e": {"absent": "not installed"}},
        "rows": [r.record() for r in rows],
        **changes,
    }


def test_the_table_tells_times_ratios_differences_and_failures():
    table = peers_tables.markdown(report())
    assert table.splitlines()[:7] == [
        "| task | shapes × landmarks | 14 × 250 |",
        "|---|---|---|",
        "| **alignment** | this package | 1,500 (1,000–2,000, n = 2) |",
        "|  | c | 6,000 (4,000–8,000, n = 2); **×4** (4–4) |",
        "|  | d | 4,000 (4,000–4,000, n = 2); differs: mean by 0.03 |",
        "|  | b | more than 1 s |",
        "| **peak memory** | this package | – |",
    ]
    assert "- e: not installed" in table


def test_the_table_replaces_what_stands_between_the_markers_and_nothing_else(tmp_path):
    page = tmp_path / "performance.md"
    page.write_text(f"before\n{peers_tables.BEGIN}\nold\n{peers_tables.END}\nafter\n", "utf-8")
    for _ in range(2):
        peers_tables.write_markdown(page, report())
    text = page.read_text("utf-8")
    assert text.startswith("before\n<!-- peers: begin -->\n| task")
    assert text.endswith("\n<!-- peers: end -->\nafter\n")
    assert "old" not in text
    page.write_text("no markers", "utf-8")
    with pytest.raises(SystemExit, match=r"performance\.md: expected one <!-- peers: begin -->"):
        peers_tables.write_markdown(page, report())


def test_a_peer_that_is_not_importable_says_so_when_quick():
    peer = peers_environments.Peer("x", "x.py", ("x==1",), "no_such_module")
    with pytest.raises(peers_environments.AbsentError, match="not installed here"):
        peers_environments.command(peer, None)


def test_another_pin_is_another_environment():
    first, second = (peers_environments.Peer("x", "x.py", (f"x=={v}",)).key for v in (1, 2))
    assert first != second
    assert first.startswith("x-")


def test_every_runner_is_there():
    assert all((peers_environments.RUNNERS / p.runner).exists() for p in peers_environments.PEERS)


def test_a_runner_that_dies_is_a_reason_and_no_crash(tmp_path):
    peer = peers_environments.Peer("x", "x.py")
    code = "import sys; sys.exit('no library of that name')"
    with pytest.raises(peers_processes.RunnerError, match="died: no library of that name"):
        peers_processes.Process(peer, [sys.executable, "-c", code], tmp_path, 60)


def test_a_runner_that_hangs_is_ended(tmp_path):
    peer = peers_environments.Peer("x", "x.py")
    code = "import time; time.sleep(60)"
    with pytest.raises(peers_processes.RunnerError, match=r"more than 0\.1 s"):
        peers_processes.Process(peer, [sys.executable, "-c", code], tmp_path, 0.1)


def test_unknown_peers_are_refused(capsys):
    with pytest.raises(SystemExit):
        peers.parser().parse_args(["--only", "nobody"])
    assert "got ['nobody']" in capsys.readouterr().err


def test_peak_memory_is_of_what_was_held_since_it_was_forgotten():
    held = np.ones(2**23)
    del held
    if not machine.forget_peak_memory(os.getpid()):
        pytest.skip("this system does not let a peak be forgotten")
    before = machine.peak_memory_mib(os.getpid())
    held = np.ones(2**23)
    assert machine.peak_memory_mib() > before + 0.8 * held.nbytes / 2**20


@pytest.mark.slow
def test_quick_mode_runs_end_to_end(tmp_path):
    file, page = tmp_path / "peers.json", tmp_path / "peers.md"
    done = subprocess.run(
        [
            *(sys.executable, str(BENCHMARKS / "peers.py"), "--quick", "--repeats", "2"),
            *("--json", str(file), "--markdown", str(page)),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(file.read_text("utf-8"))
    assert {"machine", "threads", "repeats", "peers", "rows", "date", "total_seconds"} <= set(found)
    assert {"processor", "cores", "numpy", "blas"} <= set(found["machine"])
    rows = {(r["peer"], r["task"]): r for r in found["rows"]}
    assert {task for peer, task in rows if peer == "this package"} == set(found["tasks"])
    for r in rows.values():
        assert (r["failure"], r["equal"], r["runs"]) == ("", True, 2)
        assert set(r["seconds"]) == {"median", "min", "max"}
        assert r["peak_mib"] > 0
    assert found["peers"]["R shapes"] == {"absent": "R is left out when quick"}
    assert page.read_text("utf-8").startswith("<!-- peers: begin -->\n| task")


@pytest.mark.slow
def test_quick_scaling_runs_end_to_end_and_all_modes_agree(tmp_path):
    file, page = tmp_path / "scaling.json", tmp_path / "page.md"
    page.write_text("before\n<!-- scaling: begin -->\nold\n<!-- scaling: end -->\nafter\n", "utf-8")
    done = subprocess.run(
        [
            *(sys.executable, str(BENCHMARKS / "scaling.py"), "--quick"),
            *("--json", str(file), "--markdown", str(page)),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(file.read_text("utf-8"))
    assert [r["failure"] for r in found["rows"]] == [""] * len(found["rows"])
    compared = {(r["mode"], r["subjects"]): r["equal"] for r in found["rows"] if "equal" in r}
    assert {("alone", 20), ("processes", 40)} <= set(compared) and all(compared.values())
    assert {r["task"] for r in found["rows"]} == {"landmarks", "missing", "files"}
    for r in found["rows"]:
        assert all(stage["median"] > 0 for stage in r["stages"].values())
        assert r["peak_mib"]["main"] > 0
    text = page.read_text("utf-8")
    assert text.startswith("before\n<!-- scaling: begin -->\n**From landmarks on disk**")
    assert text.endswith("\n<!-- scaling: end -->\nafter\n") and "\nold\n" not in text
