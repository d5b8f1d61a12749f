"""What objects show of themselves in a notebook: their numbers, and nothing that runs."""

from dataclasses import replace

import pytest
import specimens

from atlas.build import build_atlas
from atlas.store import Settings
from atlas.text.display import summary_html

EVIL = "<script>alert(1)</script>"


@pytest.fixture(scope="module")
def dataset():
    return specimens.make_dataset(4)


@pytest.fixture(scope="module")
def built(dataset):
    return build_atlas(dataset, Settings(root=8, dura=(12, 12), cord=(10, 8)))


def test_text_is_escaped_wherever_it_stands():
    page = summary_html(EVIL, {EVIL: EVIL}, columns=[EVIL], rows=[[EVIL]])
    assert "<script" not in page
    assert page.count("&lt;script&gt;") == 5


def test_a_long_table_is_cut_and_says_so():
    page = summary_html("A", {}, columns=["x"], rows=[[i] for i in range(30)])
    assert page.count("<td>") == 12
    assert "… and 18 more" in page


def test_a_dataset_lists_its_subjects(dataset):
    page = dataset._repr_html_()
    for subject in dataset.subjects:
        assert f"<td>{subject.id}</td><td>80</td>" in page
    named = replace(dataset, root=EVIL)
    assert "<script" not in named._repr_html_()


def test_an_alignment_says_where_it_is_anchored_and_how_far_each_subject_is(built):
    page = built.alignment._repr_html_()
    assert "<th>anchor</th><td>dura-apex</td>" in page
    assert "converged" in page
    assert "NOT" not in page


def test_a_model_lists_its_modes(built):
    page = built.model._repr_html_()
    assert "n = 4" in page
    assert page.count("<tr><td>") == built.model.n_modes


def test_an_anatomy_says_what_it_rests_on(built):
    model = built.model
    mean = model.scheme.anatomy(model.mean)
    assert "generated, no part of it traced" in mean._repr_html_()
    seen = model.scheme.anatomy(
        built.alignment.points[0], status=built.alignment.landmarks.status[0]
    )
    page = seen._repr_html_()
    assert "measured, " in page
    assert " bridged, " in page


def test_an_atlas_shows_cohort_alignment_and_model(built):
    page = replace(built, provenance=dict(built.provenance) | {"notice": EVIL})._repr_html_()
    assert "<script" not in page
    for heading in ("Lumbosacral atlas", "Alignment", "Shape model"):
        assert f"<strong>{heading}</strong>" in page
