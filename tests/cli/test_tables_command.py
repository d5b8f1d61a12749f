"""``atlas tables`` from files to files: on a dataset, on a model, on one subject."""

from __future__ import annotations

import json
import re

import numpy as np
import pandas as pd
import pytest
import specimens
from typer.testing import CliRunner

from analysis.tables.all_tables import collect_tables
from analysis.tables.inputs import LANDMARK_SHAPES, dataset_source, model_source
from analysis.tables.pictures import make_pictures
from analysis.tables.write import FORMATS, SOURCE, readme, undescribed, write_collection
from atlas.cli import app

runner = CliRunner()
NEEDED_OF_A_GROUP = {
    "segment_variability",
    "profiles",
    "anchor_sensitivity",
    "literature",
    "side_differences",
    "mixed_models",
    "variance_components",
    "shape_covariates",
    "modes",
}


def quiet(_name: str) -> None:
    """Say nothing of the stages."""


@pytest.fixture(scope="module")
def source():
    return dataset_source(specimens.make_dataset(4))


@pytest.fixture(scope="module")
def found(source):
    return collect_tables(source, stage=quiet)


@pytest.fixture(scope="module")
def one(tmp_path_factory):
    folder = tmp_path_factory.mktemp("one")
    return specimens.write_dataset(folder / "markers", specimens.make_dataset(1))


@pytest.mark.slow
def test_a_dataset_has_every_table_and_every_column_is_described(found):
    assert set(found.tables) >= NEEDED_OF_A_GROUP
    assert found.absent == {}
    for named in found.tables.values():
        assert undescribed(named.table.columns, named.columns) == [], named.name


@pytest.mark.slow
def test_a_model_alone_says_what_needs_the_annotations(source):
    alone = model_source(source.atlas)
    lost = collect_tables(alone, stage=quiet).absent
    assert {"anchor_summary", "field_of_view"} <= set(lost)
    assert all("needs the annotations" in why for why in lost.values())
    assert alone.remarks == (LANDMARK_SHAPES,)


@pytest.mark.slow
def test_measures_of_the_model_are_near_those_of_the_annotation(source, found):
    own = found.tables["subjects_measures"].table
    alone = collect_tables(model_source(source.atlas), stage=quiet)
    keys = ["subject", "level", "side", "measure"]
    both = own.merge(alone.tables["subjects_measures"].table, on=keys, suffixes=("", "_model"))
    begin = both[both["measure"] == "begin_above_conus_mm"]
    assert len(begin) == 4 * 14
    np.testing.assert_allclose(begin["value_model"], begin["value"], atol=0.5)


@pytest.mark.slow
def test_two_runs_give_the_same_bytes_in_every_format(source, found, tmp_path):
    folders = [tmp_path / name for name in "ab"]
    again = collect_tables(source, stage=quiet)
    for folder, tables in zip(folders, (found, again), strict=True):
        folder.mkdir()
        write_collection(tables, source, folder, formats=tuple(FORMATS))
    one, two = (sorted(p for p in f.rglob("*") if p.is_file()) for f in folders)
    assert [p.relative_to(folders[0]) for p in one] == [p.relative_to(folders[1]) for p in two]
    assert [p.read_bytes() for p in one] == [p.read_bytes() for p in two]
    page = (folders[0] / "tables.html").read_text()
    links = {link[1:] for link in re.findall(r'href="([^"]+)"', page)}
    assert links <= set(re.findall(r'id="([^"]+)"', page))


@pytest.mark.slow
def test_figures_of_a_group_show_what_its_tables_hold(source, found):
    pictures = make_pictures(found, source)
    assert set(pictures) == {
        "profiles_apex",
        "profiles_conus",
        "segments_roots",
        "segments_levels",
        "sides",
        "side_differences",
        "ellipsoids",
    }
    for name, figure in pictures.items():
        words = " ".join(t.get_text() for t in figure.texts)
        assert "n = 4 subjects; anchor: dura apex" in words, name
    gids = {p.get_gid() for ax in pictures["ellipsoids"].axes for p in ax.patches}
    assert {"ellipse/begin/L1/left", "ellipse/ganglion/S2/right"} <= gids


@pytest.mark.slow
def test_the_readme_explains_columns_measures_and_source(source, found):
    text = readme(found, source, formats=("csv",))
    for part in ("n = 4 subjects", "## segment\\_variability".replace("\\", ""), "CC BY 4.0"):
        assert part in text


@pytest.mark.slow
def test_one_subject_gets_what_can_be_said(one, tmp_path):
    out = tmp_path / "out"
    arguments = ["tables", str(one), "-o", str(out), "--format", "csv,markdown,latex,html"]
    for _ in "ab":  # an earlier result is replaced
        result = runner.invoke(app, [*arguments, "--no-figures"])
        assert result.exit_code == 0, result.output
    assert "not among the tables: mixed_models: needs at least two subjects" in result.output
    table = pd.read_csv(out / "tables" / "segment_variability.csv")
    assert table["n"].max() == 1
    assert table["sd"].isna().all()
    document = json.loads((out / SOURCE).read_text())
    assert (document["n"], document["made_from"]) == (1, "dataset")
    assert not (out / "figures").exists()
    assert (out / "tables.html").is_file()
    assert (out / "tables.tex").is_file()


@pytest.mark.slow
def test_figures_of_one_subject_are_drawn(one, tmp_path):
    result = runner.invoke(app, ["tables", str(one), "-o", str(tmp_path / "out")])
    assert result.exit_code == 0, result.output
    names = {p.name for p in (tmp_path / "out" / "figures").iterdir()}
    assert {"profiles_apex.png", "profiles_apex.pdf", "sides.pdf"} <= names


def test_an_unknown_format_is_one_clear_error(one, tmp_path):
    result = runner.invoke(app, ["tables", str(one), "-o", str(tmp_path / "x"), "--format", "word"])
    assert result.exit_code == 2
    expected = "format: expected some of csv, parquet, markdown, latex, html, got 'word'"
    assert result.output.strip() == f"atlas: {expected}"
    assert not (tmp_path / "x").exists()


def test_a_folder_that_is_not_of_tables_is_never_replaced(one, tmp_path):
    (tmp_path / "provenance.json").write_text("{}")
    result = runner.invoke(app, ["tables", str(one), "-o", str(tmp_path), "--no-figures"])
    assert result.exit_code == 2
    assert "an earlier result of `atlas tables`" in result.output


def test_nothing_there_is_one_clear_error(tmp_path):
    result = runner.invoke(app, ["tables", str(tmp_path / "gone"), "-o", str(tmp_path / "x")])
    assert result.exit_code == 2
    assert "gone" in result.output
