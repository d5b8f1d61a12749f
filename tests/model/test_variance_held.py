"""The share of the variance that modes are asked to hold is what they hold, on every way."""

import math

import numpy as np
import orjson
import pytest
import specimens
from populations import posed_population, with_gaps
from typer.testing import CliRunner

from atlas.cli import app
from atlas.large.memory import Budget
from atlas.model.fitting import fit_shape_model
from atlas.procrustes.alignment import align
from atlas.procrustes.sliding import CRITERIA
from atlas.provenance import Inputs, provenance
from atlas.store import CHOICES, Settings, SettingsError, load_atlas


@pytest.fixture(scope="module")
def gappy():
    return align(with_gaps(posed_population(40)[0], 0.2))


@pytest.mark.slow
@pytest.mark.parametrize("held", [0.3, 0.7, 0.9])
def test_where_landmarks_are_missing_the_leading_modes_hold_the_share(gappy, held):
    everything = fit_shape_model(gappy)
    kept = fit_shape_model(gappy, variance_held=held)
    share = np.cumsum(everything.variance + everything.noise) / everything.total_variance
    assert kept.n_modes == int((share < held).sum()) + 1 < everything.n_modes
    np.testing.assert_allclose(kept.total_variance, everything.total_variance)
    np.testing.assert_array_equal(kept.modes, everything.modes[: kept.n_modes])
    assert kept.noise > everything.noise


def test_modes_that_hold_less_than_the_share_all_stay(gappy):
    everything = fit_shape_model(gappy)
    assert fit_shape_model(gappy, variance_held=0.99999).n_modes == everything.n_modes


@pytest.mark.parametrize("held", [float("nan"), float("inf"), 0.0, -1.0, 2.0, 95.0])
def test_what_is_no_share_is_refused(held):
    with pytest.raises(SettingsError, match=r"variance: expected a share over 0 and up to 1"):
        Settings(variance_held=held)


@pytest.mark.parametrize("text", ["nan", "0", "95", "-1", "2", "inf"])
def test_the_command_says_so_in_one_line_before_it_reads_anything(tmp_path, text):
    done = CliRunner().invoke(
        app, ["build", str(tmp_path / "nothing"), "-o", str(tmp_path / "out"), "--variance", text]
    )
    assert done.exit_code == 2
    assert done.output.startswith("atlas: variance: expected a share over 0 and up to 1")
    assert done.output.count("\n") == 1


@pytest.mark.parametrize("name", CHOICES)
def test_a_word_that_is_none_is_refused_with_those_there_are(name):
    with pytest.raises(SettingsError, match=rf"{name}: expected one of .*, got 'other'"):
        Settings(**{name: "other"})


def test_every_criterion_of_sliding_is_a_choice():
    assert set(CHOICES["slide"]) == {None, *CRITERIA}


def test_an_empty_anchor_is_refused():
    with pytest.raises(SettingsError, match="anchor: expected a name"):
        Settings(anchor=" ")


@pytest.mark.slow
def test_both_ways_keep_the_same_modes_and_say_so(tmp_path, monkeypatch):
    monkeypatch.setattr("atlas.build.registered", lambda group: ())
    monkeypatch.setattr("atlas.build.write_meshes", lambda *_: None)
    data = specimens.write_dataset(tmp_path / "data", specimens.make_dataset(5, conus_mm=110))
    counts = {}
    for way in ("memory", "passes"):
        if way == "passes":
            monkeypatch.setattr(Budget, "holds", lambda *_: False)
        for given in ("1", "0.5"):
            out = tmp_path / f"{way}-{given}"
            done = CliRunner().invoke(
                app, ["build", str(data), "-o", str(out), "--variance", given]
            )
            assert done.exit_code == 0, done.output
            model = load_atlas(out).model
            counts[way, given] = model.n_modes
            # The strictest reader there is takes it.
            history = orjson.loads((out / "provenance.json").read_bytes())
            assert history["settings"]["variance_held"] == float(given)
            assert history["model"]["n_modes"] == model.n_modes
            assert history["model"]["variance_share"] == pytest.approx(model.explained.sum())
    assert counts["memory", "1"] == counts["passes", "1"] == 4
    assert counts["memory", "0.5"] == counts["passes", "0.5"] < 4


def test_provenance_is_plain_json_whatever_covariates_and_names_hold():
    inputs = Inputs("data\udce9", [("sub-01", "00", "")], {"age\udce9": [math.nan]}, (), "")
    history = orjson.loads(orjson.dumps(provenance(inputs, (), anchor="conus", seed=None)))
    assert history["covariates"] == {"age\\udce9": [None]}
    assert history["dataset"] == "data\\udce9"
