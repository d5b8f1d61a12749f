from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import specimens

from analysis.figures.ellipsoids import covariance_ellipse
from analysis.figures.group_figures import effects_figure, ellipsoid_figure, profile_figure
from atlas.landmarks.placing import place_landmarks
from atlas.landmarks.scheme import LandmarkScheme
from atlas.model.fitting import fit_shape_model
from atlas.procrustes.alignment import align

NOTICE = "generated from nothing at all"
SAID = {"text": "n = 5 subjects.", "notice": NOTICE}


@pytest.fixture(scope="module")
def atlas() -> SimpleNamespace:
    scheme = LandmarkScheme.standard(root=12, dura=(10, 12), cord=(10, 12))
    alignment = align(place_landmarks(specimens.make_dataset(5), scheme))
    return SimpleNamespace(model=fit_shape_model(alignment), alignment=alignment)


def test_ellipses_stand_where_the_aligned_landmarks_do_and_inside_the_view(atlas):
    figure = ellipsoid_figure(atlas, title="Where", **SAID)
    span = atlas.model.scheme.span("root/S2/left")
    ganglia = atlas.alignment.points[:, span.stop - 1]
    for axis, ax in enumerate(figure.axes):
        patches = {p.get_gid(): p for p in ax.patches}
        ellipse = patches["ellipse/ganglion/S2/left"]
        centre, width, height, _ = covariance_ellipse(ganglia[:, [axis, 2]])
        np.testing.assert_allclose(ellipse.center, centre)
        np.testing.assert_allclose([ellipse.width, ellipse.height], [width, height])
        path = ellipse.get_path().transformed(ellipse.get_patch_transform())
        low, high = ax.get_xlim()
        assert low < path.vertices[:, 0].min() < path.vertices[:, 0].max() < high
        bottom, top = ax.get_ylim()
        assert bottom < path.vertices[:, 1].min() < path.vertices[:, 1].max() < top


def test_all_profiles_of_a_figure_have_one_depth_scale():
    rows = pd.DataFrame({"depth_mm": [-8.0, 0.0, 8.0], "n": [5, 5, 5], "mean": [1.0, 2.0, 3.0]})
    rows = rows.assign(anchor="conus", mean_low=0.5, mean_high=3.5, range_low=0, range_high=4)
    short = rows.iloc[:2].assign(measure="cord_area_mm2")
    profiles = pd.concat([rows.assign(measure="sac_area_mm2"), short])
    labels = {"sac_area_mm2": "sac area (mm²)", "cord_area_mm2": "cord area (mm²)"}
    figure = profile_figure(profiles, labels, anchor="conus", title="T", **SAID)
    assert [ax.get_ylim() for ax in figure.axes] == [(8.0, -8.0)] * 2
    assert [ax.get_xlabel() for ax in figure.axes] == list(labels.values())
    words = " ".join(t.get_text() for t in figure.texts).replace("\n", " ")
    assert "n = 5 subjects." in words
    assert NOTICE in words


def test_an_odd_number_of_panels_leaves_no_empty_axes():
    effects = pd.DataFrame({"measure": ["a"], "level": ["L1"], "n": [5], "estimate": [0.1]})
    effects = effects.assign(low=-1.0, high=1.2, p=0.5, p_holm=0.5)
    figure = effects_figure(effects, {"a": "a (mm)"}, title="T", **SAID)
    assert len(figure.axes) == 1
