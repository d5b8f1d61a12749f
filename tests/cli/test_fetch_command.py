"""``atlas fetch`` as a person types it; the folder it makes needs no further word."""

from __future__ import annotations

import json
import sys

import pytest
import specimens
from figshare_server import serve, zip_bytes
from typer.testing import CliRunner

from atlas.cli import app
from atlas.cli.fetch import _watched
from atlas.data.remote.catalogue import DERIVED, RAW

runner = CliRunner()


def atlas(*arguments):
    return runner.invoke(app, [str(a) for a in arguments])


@pytest.fixture
def site(monkeypatch):
    files = {
        f"markers/{s.id}/{name}": content
        for s in specimens.make_dataset(3, bend_sd_mm=12.0).subjects
        for name, content in specimens.subject_files(s).items()
    }
    table = "participant_id\tage\n" + "".join(f"sub-0{i}\t{22 + i}\n" for i in (1, 2, 3))
    with serve() as site:
        site.publish(DERIVED, "markers.zip", zip_bytes(files))
        site.publish(RAW, "rawdata.zip", zip_bytes({"rawdata/participants.tsv": table.encode()}))
        monkeypatch.setenv("ATLAS_FIGSHARE_URL", site.url)
        monkeypatch.setenv("no_proxy", "127.0.0.1")
        yield site


@pytest.mark.slow
def test_fetch_then_check_needs_no_further_word(site, tmp_path):
    fetched = atlas("fetch", tmp_path / "data")
    assert fetched.exit_code == 0, fetched.output
    checked = atlas("check", tmp_path / "data", "--json")
    assert checked.exit_code == 0, checked.output
    assert [s["covariates"] for s in json.loads(checked.output)["subjects"]] == [
        {"age": 23.0},
        {"age": 24.0},
        {"age": 25.0},
    ]


@pytest.mark.slow
def test_fetch_then_build_needs_no_further_word(site, tmp_path):
    assert atlas("fetch", tmp_path / "data").exit_code == 0
    built = atlas("build", tmp_path / "data", "-o", tmp_path / "out")
    assert built.exit_code == 0, built.output
    assert (tmp_path / "out" / "model.h5").is_file()


def test_fetch_says_what_came_the_licence_and_how_to_cite(site, tmp_path):
    for state in ("fetched", "there already"):
        result = atlas("fetch", tmp_path, "--what", "markers")
        lines = result.output.splitlines()
        assert lines[0].startswith(f"markers       {state}")
        assert "checked by MD5" in lines[0]
        assert "licence CC BY 4.0 https://creativecommons.org" in result.output
        assert "10.6084/m9.figshare.26403442.v1" in result.output
        assert "Cite these, and: Liu J, Zhang W" in result.output
        assert f"Next: atlas check {tmp_path}, then atlas build {tmp_path} -o OUT" in result.output


def test_on_a_terminal_rate_and_time_left_are_shown(monkeypatch, capsys):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    monkeypatch.setenv("TERM", "xterm")
    with _watched() as progress:
        progress("markers.zip", 1_000_000, 4_000_000)
        progress("markers.zip", 4_000_000, 4_000_000)
    shown = capsys.readouterr()
    assert shown.out == ""
    assert "markers.zip" in shown.err
    assert "4.0/4.0 MB" in shown.err


def test_piped_nothing_is_shown(capsys):
    with _watched() as progress:
        progress("markers.zip", 1, 2)
    assert capsys.readouterr() == ("", "")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("options", "text"),
    [
        (["--what", "meshes"], "--what: expected some of markers, participants, quality, models"),
        (["--subjects", "three"], "--subjects: expected names like sub-03, got three"),
        (["--what", "markers", "--subjects", "sub-09"], "expected sub-09 in it, got none"),
    ],
)
def test_bad_use_exits_2_with_one_message(site, tmp_path, options, text):
    result = atlas("fetch", tmp_path / "data", *options)
    assert result.exit_code == 2
    assert result.output.startswith("atlas: ")
    assert text in result.output
    assert "Traceback" not in result.output
    assert not (tmp_path / "data" / "markers").exists()
