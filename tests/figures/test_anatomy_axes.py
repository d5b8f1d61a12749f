from __future__ import annotations

import cylinders
import numpy as np
import pytest
import specimens
from matplotlib.colors import same_color
from matplotlib.figure import Figure

from analysis.figures.anatomy_axes import (
    LEVEL_COLOURS,
    MEAN,
    MINUS,
    PLUS,
    draw_anatomy,
    draw_mode,
    legend_handles,
    silhouette,
)
from analysis.figures.scree import draw_scree
from atlas.data.subject import LEVELS
from atlas.landmarks.placing import place_landmarks
from atlas.landmarks.scheme import LandmarkScheme
from atlas.model.fitting import fit_shape_model
from atlas.model.shape_model import ShapeModel
from atlas.procrustes.alignment import align


@pytest.fixture(scope="module")
def model() -> ShapeModel:
    scheme = LandmarkScheme.standard(root=12, dura=(10, 12), cord=(10, 12))
    return fit_shape_model(align(place_landmarks(specimens.make_dataset(5), scheme)))


def new_axes():
    return Figure().add_subplot()


def by_gid(ax):
    return {a.get_gid(): a for a in (*ax.lines, *ax.patches) if a.get_gid()}


@pytest.mark.parametrize(("view", "axis"), [("front", 0), ("side", 1)])
def test_a_root_is_drawn_where_it_is_solid_as_far_as_it_was_traced(view, axis):
    anatomy = cylinders.make_anatomy()
    artists = by_gid(draw_anatomy(anatomy, view, new_axes()))
    for key, root in anatomy.roots.items():
        traced, bridged = (
            artists[f"root/{key.level}/{key.side}/{part}"] for part in ("traced", "bridged")
        )
        np.testing.assert_array_equal(traced.get_xydata(), root[: cylinders.TRACED, [axis, 2]])
        np.testing.assert_array_equal(bridged.get_xydata(), root[cylinders.TRACED - 1 :, [axis, 2]])
        assert traced.get_linestyle() == "-"
        assert bridged.get_linestyle() == "--"
        assert bridged.get_alpha() < traced.get_alpha()
        assert same_color(traced.get_color(), LEVEL_COLOURS[key.level])
        ganglion = artists[f"ganglion/{key.level}/{key.side}"]
        np.testing.assert_array_equal(ganglion.get_xydata()[0], anatomy.ganglia[key][[axis, 2]])


def test_the_persons_left_is_at_the_viewers_right():
    ax = draw_anatomy(cylinders.make_anatomy(), "front", new_axes())
    artists = by_gid(ax)
    left = artists["root/L1/left/traced"].get_xdata().mean()
    right = artists["root/L1/right/traced"].get_xdata().mean()
    assert right < left
    low, high = ax.get_xlim()
    assert low < high
    place = {t.get_text(): t.get_position() for t in ax.texts if t.get_gid() == "direction"}
    assert set(place) == {"L", "R", "S", "I"}
    assert place["R"][0] < place["L"][0]
    assert place["I"][1] < place["S"][1]


def test_the_side_view_has_anterior_at_the_left_and_right_roots_behind():
    ax = draw_anatomy(cylinders.make_anatomy(), "side", new_axes())
    place = {t.get_text(): t.get_position() for t in ax.texts if t.get_gid() == "direction"}
    assert place["A"][0] < place["P"][0]
    artists = by_gid(ax)
    near, far = artists["root/L3/left/traced"], artists["root/L3/right/traced"]
    assert far.get_alpha() < near.get_alpha()
    assert ax.lines.index(far) < ax.lines.index(near)


def test_axes_are_to_scale_in_millimetres():
    ax = draw_anatomy(cylinders.make_anatomy(), "side", new_axes())
    assert ax.get_aspect() == 1
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("y (mm)", "z (mm)")


def test_the_legend_tells_traced_from_bridged_and_names_generated_shapes():
    seen = [h.get_label() for h in legend_handles(cylinders.make_anatomy())]
    made = [h.get_label() for h in legend_handles(cylinders.make_anatomy(status=False))]
    assert [x for x in seen if x in LEVELS] == list(LEVELS)
    assert seen[-2:] == ["traced", "bridged, not seen"]
    assert made[-1].startswith("generated shape")
    ax = draw_anatomy(cylinders.make_anatomy(), "front", new_axes())
    assert [t.get_text() for t in ax.get_legend().get_texts()] == seen


def test_a_generated_root_is_neither_traced_nor_bridged():
    artists = by_gid(draw_anatomy(cylinders.make_anatomy(status=False), "front", new_axes()))
    parts = {gid.split("/")[3] for gid in artists if gid.startswith("root")}
    assert parts == {"generated"}


def test_levels_have_different_colours():
    assert len(set(LEVEL_COLOURS.values())) == len(LEVELS)


def test_a_silhouette_is_as_wide_as_its_tube_and_skips_missing_rings():
    rings = np.array(cylinders.make_anatomy().dura)
    rings[3] = np.nan
    outline = silhouette(rings, 0)
    assert len(outline) == 2 * (len(rings) - 1)
    assert np.ptp(outline[:, 0]) == pytest.approx(2 * cylinders.SAC_MM)
    assert np.ptp(outline[:, 1]) == pytest.approx(cylinders.SAC_LENGTH_MM)


def test_a_mode_shows_the_model_at_mean_and_both_ends(model):
    ax = draw_mode(model, 2, "front", new_axes(), sd=1.5)
    lines = {c.get_gid(): c for c in ax.collections}
    for amount, colour in ((-1.5, MINUS), (0, MEAN), (1.5, PLUS)):
        anatomy = model.scheme.anatomy(model.shape(np.array([0, amount])))
        drawn = lines[f"roots/{amount:+g}"]
        assert len(drawn.get_segments()) == len(anatomy.roots) == 14
        for segment, root in zip(drawn.get_segments(), anatomy.roots.values(), strict=True):
            np.testing.assert_allclose(segment, root[:, [0, 2]], atol=1e-12)
        assert same_color(drawn.get_edgecolor()[0], colour)
        (ends,) = [ln for ln in ax.lines if same_color(ln.get_color(), colour)]
        ganglia = np.array([root[-1, [0, 2]] for root in anatomy.roots.values()])
        np.testing.assert_allclose(ends.get_xydata(), ganglia, atol=1e-12)
        outlines = by_gid(ax)
        for name, rings in (("sac", anatomy.dura), ("cord", anatomy.cord)):
            edge = outlines[f"{name}/{amount:+g}"].get_xy()[:-1]
            np.testing.assert_allclose(edge, silhouette(rings, 0), atol=1e-12)


@pytest.mark.parametrize(("view", "axis"), [("front", 0), ("side", 1)])
def test_axes_without_limits_take_in_the_whole_of_what_is_drawn(model, view, axis):
    mean = model.scheme.anatomy(model.mean)
    for ax in (
        draw_anatomy(mean, view, new_axes()),
        draw_mode(model, 1, view, new_axes()),
    ):
        points = np.concatenate([mean.dura.reshape(-1, 3), *mean.roots.values()])[:, [axis, 2]]
        for (low, high), values in zip((ax.get_xlim(), ax.get_ylim()), points.T, strict=True):
            assert low < values.min() < values.max() < high
            assert high - low < 2 * np.ptp(values)


@pytest.mark.parametrize("mode", [0, 99])
def test_a_mode_that_is_not_there_is_refused(model, mode):
    with pytest.raises(ValueError, match=f"mode: expected 1 to {model.n_modes}, got {mode}"):
        draw_mode(model, mode, "front", new_axes())


def test_the_scree_holds_the_share_of_each_mode_and_their_sum(model):
    ax = draw_scree(model, new_axes())
    heights = [bar.get_height() for bar in ax.patches]
    np.testing.assert_allclose(heights, model.variance / model.total_variance)
    np.testing.assert_allclose(ax.lines[0].get_ydata(), np.cumsum(heights))
    assert "n = 5" in ax.get_xlabel()
