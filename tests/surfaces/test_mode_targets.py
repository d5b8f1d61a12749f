"""Modes as displacements of vertices: exact where surfaces are linear, near where they are not."""

import numpy as np
import populations
import pytest

from atlas.mesh.surfaces.layout import mesh_layout
from atlas.mesh.surfaces.mode_targets import mode_targets, vertex_sd_mm
from atlas.mesh.surfaces.named_surfaces import surfaces
from atlas.model.fitting import fit_shape_model
from atlas.procrustes.alignment import align


@pytest.fixture(scope="module")
def model():
    landmarks, _ = populations.posed_population(6, rank=3, amplitude_mm=0.8)
    return fit_shape_model(align(landmarks))


def test_sliders_of_dura_and_cord_are_the_model_at_any_weights(model):
    layout = mesh_layout(model.scheme.anatomy(model.mean), edge_mm=3.0)
    targets = mode_targets(model, layout)
    assert list(targets) == [f"mode {k + 1}" for k in range(model.n_modes)]
    weights = np.array([2.0, -1.5, 0.5])
    mean, moved = (
        surfaces(model.scheme.anatomy(model.shape(w)), layout=layout)
        for w in (0 * weights, weights)
    )
    for name in mean:
        slid = mean[name].vertices + sum(
            w * targets[f"mode {k + 1}"][name] for k, w in enumerate(weights)
        )
        away = np.linalg.norm(slid - moved[name].vertices, axis=1).max()
        # Roots turn with their curve, and their points run along it: not linear, but near.
        assert away < (1e-9 if name in ("dura", "cord") else 0.5), name


def test_a_root_is_best_met_from_both_sides_of_the_mean(model):
    layout = mesh_layout(model.scheme.anatomy(model.mean), edge_mm=3.0)
    target = mode_targets(model, layout)["mode 1"]["root/L3/left"]
    plus, minus = (
        surfaces(model.scheme.anatomy(model.shape(np.array([w]))), layout=layout)["root/L3/left"]
        for w in (1.0, -1.0)
    )
    np.testing.assert_allclose(2 * target, plus.vertices - minus.vertices, atol=1e-12)


def test_sd_of_a_vertex_is_that_of_shapes_whose_scores_have_unit_covariance(model):
    layout = mesh_layout(model.scheme.anatomy(model.mean), edge_mm=3.0)
    targets = mode_targets(model, layout)
    spread = np.sqrt(model.n_modes) * np.eye(model.n_modes)
    shapes = [
        surfaces(model.scheme.anatomy(model.shape(scores)), layout=layout)["cord"].vertices
        for scores in (*spread, *-spread)
    ]
    expected = np.sqrt(np.var(shapes, axis=0).sum(axis=1))
    np.testing.assert_allclose(vertex_sd_mm(targets)["cord"], expected, rtol=1e-9)
