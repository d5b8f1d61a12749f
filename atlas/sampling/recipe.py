"""What a synthetic cohort is made by: plain values that can be kept, compared and sent."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from atlas.landmarks.scheme import Anatomy, LandmarkScheme
from atlas.mesh.validity.rules import RULES
from atlas.mesh.validity.validity import check_many
from atlas.model.shape_model import ShapeModel
from atlas.sampling.conditions import condition_on_covariates, vary_structure
from atlas.sampling.designs import Design, SamplingError
from atlas.sampling.drawing import Plan
from atlas.sampling.given import MeasureCondition, MeasureKey, condition_on_measures, parse_given
from atlas.sampling.poses import PoseLimits
from atlas.sampling.restrictions import Restriction
from atlas.store import Atlas

# A field of view that ends above the conus is no fault of a shape.
FORBIDDING = tuple(name for name, rule in RULES.items() if rule.kind != "extent")

MeasureFunction = Callable[[Anatomy], Mapping[MeasureKey, float]]


@dataclass(frozen=True, slots=True)
class Recipe:
    """Everything that decides what the samples of an atlas are.

    Parameters
    ----------
    n, seed : int
    design, method, invalid : str
        As :class:`~atlas.sampling.designs.Design` and :class:`~atlas.sampling.drawing.Plan` take
        them.
    coverage, truncate_sd : float or None
        As :class:`~atlas.sampling.restrictions.Restriction`.
    n_modes : int or None
        Leading modes that vary; None: all.
    noise : bool
        Whether the model's noise is added.
    check : bool
        Whether shapes are held to the rules of anatomy.
    given : tuple of str
        Conditions on measures, as ``dorsal CSF at L1 = 2.5 mm ± 0.3``.
    covariates : tuple of (str, float)
        What the people are like.
    seen : str or None
        Folder of a subject with a part of its markers, to which all samples belong.
    vary : tuple of str
        Structures that vary; all others are where they are expected then.
    symmetric : bool
        Whether left and right are mirror images.
    rotation_deg, translation_mm : float
        Limits of the random placement.
    """

    n: int
    seed: int = 0
    design: str = "independent"
    method: str = "parametric"
    invalid: str = "redraw"
    coverage: float | None = 0.99
    truncate_sd: float | None = None
    n_modes: int | None = None
    noise: bool = False
    check: bool = True
    given: tuple[str, ...] = ()
    covariates: tuple[tuple[str, float], ...] = ()
    seen: str | None = None
    vary: tuple[str, ...] = ()
    symmetric: bool = False
    rotation_deg: float = 0.0
    translation_mm: float = 0.0

    def document(self) -> dict[str, Any]:
        """The recipe as JSON values."""
        return asdict(self) | {
            "given": list(self.given),
            "covariates": [list(pair) for pair in self.covariates],
            "vary": list(self.vary),
        }

    def plan(self, atlas: Atlas, *, measure: MeasureFunction | None = None) -> Plan:
        """The plan of this recipe for an atlas.

        Parameters
        ----------
        atlas : Atlas
        measure : callable, optional
            Anatomy to its measures by (level, side, name), as
            :func:`analysis.morphometry.named_values`; needed where measures are given.

        Raises
        ------
        SamplingError
            A choice that does not exist or cannot be for this atlas.
        """
        model = self._model(atlas)
        if self.noise and not model.noise:
            raise SamplingError(
                "noise: expected a model with noise, got one whose modes hold all of the variance; "
                "leave it out, or build with --variance 0.95"
            )
        k = model.n_modes if self.n_modes is None else self.n_modes
        design = Design(self.design, self.n, k, self.seed)
        pose = PoseLimits(self.rotation_deg, self.translation_mm)
        about_subjects = self.method != "parametric"
        return Plan(
            model=model,
            design=design,
            restriction=Restriction(self.coverage, self.truncate_sd),
            method=self.method,
            subject_scores=model.scores(atlas.alignment.points)[:, :k] if about_subjects else None,
            noise=self.noise,
            rules=FORBIDDING if self.check else (),
            check=partial(keeps_rules, scheme=model.scheme) if self.check else None,
            invalid=self.invalid,
            correction=self._correction(model, k, measure),
            pose=pose if self.rotation_deg or self.translation_mm else None,
        )

    def _model(self, atlas: Atlas) -> ShapeModel:
        if self.method != "parametric" and (self.symmetric or self.seen or self.covariates):
            raise SamplingError(
                f"method {self.method}: expected the whole population, since it draws subjects, "
                "got a condition; use parametric"
            )
        if sum(map(bool, (self.symmetric, self.seen, self.covariates))) > 1:
            raise SamplingError("expected one of symmetric, seen and covariates, got several")
        model = atlas.model
        if self.symmetric:
            model = symmetric_model(atlas)
        if self.covariates:
            model = _of_people_like(atlas, dict(self.covariates))
        if self.seen:
            model = _of_the_subject(atlas, Path(self.seen))
        return vary_structure(model, self.vary) if self.vary else model

    def _correction(
        self, model: ShapeModel, n_modes: int, measure: MeasureFunction | None
    ) -> MeasureCondition | None:
        if not self.given:
            return None
        if measure is None:
            raise SamplingError(
                f"given {self.given[0]!r}: expected what measures an anatomy, got none; hand it on "
                "as measure=analysis.morphometry.named_values"
            )
        known = list(measure(model.scheme.anatomy(model.mean)))
        given = [parse_given(text, known) for text in self.given]
        keys = [g.key for g in given]
        return condition_on_measures(model, given, _only_of(measure, model, keys), n_modes=n_modes)


def keeps_rules(points: np.ndarray, *, scheme: LandmarkScheme) -> np.ndarray:
    """Which of the rules :data:`FORBIDDING` each shape (m, L, 3) keeps, (m, R)."""
    return check_many(points, scheme, rules=FORBIDDING).held


def _only_of(
    measure: MeasureFunction, model: ShapeModel, keys: Sequence[MeasureKey]
) -> Callable[[np.ndarray], np.ndarray]:
    """Shapes (m, L, 3) to the measures of some keys, (m, q)."""

    def measured(points: np.ndarray) -> np.ndarray:
        values = [measure(model.scheme.anatomy(shape)) for shape in points]
        return np.array([[value[key] for key in keys] for value in values], dtype=float)

    return measured


def symmetric_model(atlas: Atlas) -> ShapeModel:
    """The model of what left and right share, without directional or fluctuating asymmetry."""
    from atlas.model.fitting import fit_shape_model
    from atlas.model.symmetry import decompose

    return fit_shape_model(decompose(atlas.alignment).alignment)


def _of_people_like(atlas: Atlas, given: Mapping[str, float]) -> ShapeModel:
    known = {
        name: np.array([np.nan if v is None else v for v in values], dtype=float)
        for name, values in atlas.provenance.get("covariates", {}).items()
        if all(v is None or isinstance(v, (int, float)) for v in values)
    }
    scores = atlas.model.scores(atlas.alignment.points)
    return condition_on_covariates(atlas.model, scores, known, given)


def _of_the_subject(atlas: Atlas, folder: Path) -> ShapeModel:
    from atlas.data.dataset import read_dataset
    from atlas.prediction.calibration import fit_predictor
    from atlas.prediction.predicting import only_subject, predict, walls_of

    subject = only_subject(read_dataset(folder, optional=("cord",)))
    predictor = fit_predictor(atlas.alignment, walls_of(subject))
    return predict(atlas.alignment, atlas.model, predictor, subject).posterior


def parse_covariates(texts: Sequence[str]) -> tuple[tuple[str, float], ...]:
    """Covariates as a person writes them.

    Examples
    --------
    >>> parse_covariates(["height=180"])
    (('height', 180.0),)
    """
    pairs: dict[str, float] = {}
    for text in texts:
        name, _, value = text.partition("=")
        try:
            number = float(value)
        except ValueError:
            number = math.nan
        if not name.strip() or not math.isfinite(number):
            raise SamplingError(
                f"covariate {text!r}: expected a name and a number, as in 'height=180'"
            )
        if name.strip() in pairs:
            raise SamplingError(f"covariate {text!r}: expected {name.strip()} once, got it twice")
        pairs[name.strip()] = number
    return tuple(pairs.items())
