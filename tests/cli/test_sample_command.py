"""`atlas sample` as a person types it."""

import pytest
import specimens
from typer.testing import CliRunner

from atlas.build import build_atlas
from atlas.cli import app
from atlas.store import Settings, save_atlas

runner = CliRunner()


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    place = tmp_path_factory.mktemp("model") / "model.h5"
    dataset = specimens.make_dataset(4)
    return save_atlas(build_atlas(dataset, Settings(root=16, dura=(16, 16), cord=(16, 12))), place)


def sample(model, out, *arguments):
    return runner.invoke(app, ["sample", str(model), "-o", str(out), *map(str, arguments)])


@pytest.mark.slow
def test_it_says_what_was_made_and_what_was_rejected(model, tmp_path):
    result = sample(model, tmp_path / "s", "-n", 3, "--formats", "none", "--workers", 1)
    assert result.exit_code == 0, result.output
    assert "3 of 3 samples keep every rule of anatomy" in result.output
    assert "not imaged" in result.output
    assert len(list((tmp_path / "s" / "markers").iterdir())) == 3
    assert not (tmp_path / "s" / "meshes").exists()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--coverage", "1"], "coverage: expected a share between 0 and 1"),
        (["--coverage", "most"], "expected a share or none, got 'most'"),
        (["--design", "dice"], "design: expected one of"),
        (["--modes", 99], "modes: expected at most"),
        (["--given", "dorsal CSF at L1 = 90 mm"], "impossible in this population"),
        (["--formats", "jpeg"], "formats: expected some of stl"),
        (["--number", 0], "n: expected at least 1 sample"),
    ],
)
def test_bad_use_says_so_and_writes_nothing(model, tmp_path, arguments, message):
    result = sample(model, tmp_path / "s", *arguments)
    assert result.exit_code == 2
    assert message in result.output.replace("\n", " ")
    assert not (tmp_path / "s").exists()


def test_a_model_that_is_not_there_is_named(tmp_path):
    result = sample(tmp_path / "nowhere", tmp_path / "s")
    assert result.exit_code == 2
    assert "expected an atlas (model.h5), got nothing there" in result.output
