from __future__ import annotations

import io
from types import SimpleNamespace

import cylinders
import numpy as np
import pytest
import specimens

from analysis.figures.atlas_figures import (
    anatomy_figure,
    mode_figure,
    png_bytes,
    population_figure,
    scree_figure,
)
from atlas.landmarks.placing import place_landmarks
from atlas.landmarks.scheme import LandmarkScheme
from atlas.model.fitting import fit_shape_model
from atlas.model.shape_model import ShapeModel
from atlas.procrustes.alignment import align

NOTICE = "generated from nothing at all"


@pytest.fixture(scope="module")
def model() -> ShapeModel:
    scheme = LandmarkScheme.standard(root=12, dura=(10, 12), cord=(10, 12))
    return fit_shape_model(align(place_landmarks(specimens.make_dataset(5), scheme)))


@pytest.fixture(scope="module")
def atlas(model) -> SimpleNamespace:
    return SimpleNamespace(model=model, provenance={"notice": NOTICE, "anchor": "dura-apex"})


def words(figure):
    texts = [t.get_text() for t in figure.texts]
    return " ".join(texts).replace("\n", " ")


def test_the_population_figure_says_n_anchor_and_notice(atlas):
    figure = population_figure(atlas)
    said = words(figure)
    assert "n = 5 subjects, anchor: dura apex" in said
    assert NOTICE in said
    titles = [ax.get_title() for ax in figure.axes]
    assert titles[:2] == ["Mean, front", "Mean, left side"]
    assert titles[2:4] == ["Mode 1, front", "Mode 1, left side"]


def test_imaged_people_get_no_notice(model):
    for figure in (anatomy_figure(cylinders.make_anatomy(), title="One"), scree_figure(model)):
        assert not [t for t in figure.texts if t.get_gid() == "notice"]


def test_all_views_of_a_figure_have_one_scale_and_hold_the_whole_anatomy():
    anatomy = cylinders.make_anatomy()
    figure = anatomy_figure(anatomy, title="One")
    points = np.concatenate([anatomy.dura.reshape(-1, 3), *anatomy.roots.values()])
    scales = []
    for axis, ax in enumerate(figure.axes):
        low, high = ax.get_xlim()
        assert low < points[:, axis].min() < points[:, axis].max() < high
        box = ax.get_position(original=True)
        scales += [
            box.width * figure.get_figwidth() / (high - low),
            box.height * figure.get_figheight() / np.ptp(ax.get_ylim()),
        ]
    np.testing.assert_allclose(scales, scales[0])


def test_the_same_figure_gives_the_same_bytes():
    one, two = (png_bytes(anatomy_figure(cylinders.make_anatomy(), title="One")) for _ in "ab")
    assert one == two
    assert one.startswith(b"\x89PNG")
    assert b"Software" not in io.BytesIO(one).getvalue()


@pytest.mark.parametrize("mode", [0, 99])
def test_a_figure_of_a_mode_that_is_not_there_is_refused(model, mode):
    with pytest.raises(ValueError, match=f"expected 1 to {model.n_modes}, got {mode}"):
        mode_figure(model, mode)
