from __future__ import annotations

import builtins
import json
import re

import numpy as np
import pandas as pd
import pytest

from analysis.tables.rounding import with_interval
from analysis.tables.write import FORMATS, TableError, check_formats, undescribed, write_table

COLUMNS = {
    "subject, level": "who, where",
    "n": "subjects",
    "mean_mm, mean_low_mm, mean_high_mm": "x",
}


@pytest.fixture
def table() -> pd.DataFrame:
    rng = np.random.default_rng(3)
    mean, half = rng.normal(0, 40, 7), rng.exponential(2, 7)
    return pd.DataFrame(
        {
            "subject": ["<script>", "a_b%", "x|y", "d", "e", "f", "g"],
            "level": ["L1", "L2", "L3", "L4", "L5", "S1", "S2"],
            "n": 14,
            "mean_mm": mean,
            "mean_low_mm": mean - half,
            "mean_high_mm": mean + half,
        }
    )


def write(table, path, **options):
    facts = {"formats": FORMATS, "caption": "Means.", "columns": COLUMNS, "notice": "made up"}
    return write_table(table, path / "means", **facts | options)


def test_tidy_files_hold_every_number(table, tmp_path):
    csv, parquet, *_ = write(table, tmp_path)
    read = pd.read_csv(csv)
    assert list(read) == [*table.columns, "cohort"]
    assert set(read["cohort"]) == {"made up"}
    np.testing.assert_allclose(read["mean_mm"], table["mean_mm"], rtol=5e-6)
    exact = pd.read_parquet(parquet)
    np.testing.assert_array_equal(exact["mean_mm"], table["mean_mm"])
    assert list(exact["subject"]) == list(table["subject"])


def test_parquet_carries_what_its_columns_say(table, tmp_path):
    parquet = pytest.importorskip("pyarrow.parquet")
    (path,) = write(table, tmp_path, formats=["parquet"])
    facts = parquet.read_schema(path).metadata
    assert json.loads(facts[b"columns"]) == COLUMNS
    assert (facts[b"caption"], facts[b"notice"]) == (b"Means.", b"made up")


@pytest.mark.parametrize("suffix", [".md", ".tex", ".html"])
def test_typeset_numbers_are_those_of_the_table(table, tmp_path, suffix):
    paths = {p.suffix: p for p in write(table, tmp_path)}
    text = paths[suffix].read_text().replace("$-$", "−").replace("--", "–")
    cells = re.findall(r"(−?[\d.]+) \((−?[\d.]+)(?:–| to )(−?[\d.]+)\)", text)
    read = np.array([[float(v.replace("−", "-")) for v in cell] for cell in cells])
    expected = [
        re.findall(r"−?[\d.]+", with_interval(*row))
        for row in table[["mean_mm", "mean_low_mm", "mean_high_mm"]].to_numpy()
    ]
    assert [[v.replace("−", "-") for v in row] for row in expected] == [
        [v.replace("−", "-") for v in cell] for cell in cells
    ]
    half = (table["mean_high_mm"] - table["mean_low_mm"]).to_numpy() / 2
    assert (np.abs(read[:, 0] - table["mean_mm"]) <= 0.06 * np.maximum(half, 1)).all()


@pytest.mark.parametrize(
    ("suffix", "text"),
    [
        (".md", r"\<script\>"),
        (".tex", r"a\_b\%"),
        (".html", "&lt;script&gt;"),
    ],
)
def test_names_are_escaped_in_every_language(table, tmp_path, suffix, text):
    paths = {p.suffix: p for p in write(table, tmp_path)}
    assert text in paths[suffix].read_text()


def test_the_same_table_gives_the_same_bytes(table, tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    one, two = (write(table, tmp_path / name) for name in "ab")
    assert [p.read_bytes() for p in one] == [p.read_bytes() for p in two]


def test_a_table_for_machines_is_not_typeset(table, tmp_path):
    paths = write(table, tmp_path, papers=())
    assert [p.suffix for p in paths] == [".csv", ".parquet"]


def test_imaged_people_are_called_so(table, tmp_path):
    (path,) = write(table, tmp_path, formats=["csv"], notice="")
    assert set(pd.read_csv(path)["cohort"]) == {"imaged"}


@pytest.mark.parametrize(("formats", "got"), [(["csv", "word"], "'word'"), ([], "none")])
def test_an_unknown_format_is_refused(formats, got):
    expected = f"format: expected some of csv, parquet, markdown, latex, html, got {got}"
    with pytest.raises(TableError, match=expected):
        check_formats(formats)


def test_parquet_without_pyarrow_says_what_to_install(monkeypatch):
    real = builtins.__import__

    def without(name, *args, **kwargs):
        if name.startswith("pyarrow"):
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(TableError, match=r"pip install 'lumbosacral-atlas\[parquet\]'"):
        check_formats(["parquet"])


def test_a_column_that_nobody_describes_is_refused(table, tmp_path):
    with pytest.raises(ValueError, match=r"means: expected every column described, got \['new'\]"):
        write(table.assign(new=1), tmp_path)


def test_an_ellipsis_describes_endings():
    columns = {"sd, …_low, …_high": "", "p_flip, p_flip_…": ""}
    names = ["sd", "sd_low", "sd_high", "p_flip", "p_flip_holm"]
    assert undescribed([*names, "sd_mid", "p"], columns) == ["p", "sd_mid"]
