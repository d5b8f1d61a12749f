"""Is this anatomy possible?  Each rule by name, with the place and the amount it fails by."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from atlas.arrays import read_only
from atlas.data.subject import LEVELS
from atlas.landmarks.scheme import Anatomy, LandmarkScheme
from atlas.mesh.surfaces.radii import ROOT_RADIUS_MM, RadiusOption
from atlas.mesh.validity.rule_inputs import ValidityError, batch_of, batch_of_scheme
from atlas.mesh.validity.rule_margins import Batch, Margins
from atlas.mesh.validity.rules import RULES, Kind

# Anatomies measured in one go: few enough that what is computed stays in the processor's cache.
CHUNK = 16
# What the columns of ``Validity.rows`` mean.
COLUMNS = {
    "rule": "name of the rule",
    "kind": "geometry: no solid without it; anatomy: no body without it; extent: field of view",
    "passed": "whether it holds; None where there was nothing to hold it against",
    "amount_mm": "least margin, mm; negative: how far the rule is broken",
    "place": "where that is, by landmark",
    "n_places": "places where the rule is broken",
    "message": "in words",
}


@dataclass(frozen=True, slots=True)
class RuleResult:
    """What one rule says of one anatomy.

    Parameters
    ----------
    rule : str
    kind : {"geometry", "anatomy", "extent"}
    passed : bool or None
        None where there was nothing to hold it against.
    amount_mm : float
        Least margin; negative: how far the rule is broken; NaN where not held.
    place : str
        Where that is: ``dura/12/3``, ``root/L5/left/17``.
    n_places : int
        Places where the rule is broken.
    message : str
    """

    rule: str
    kind: Kind
    passed: bool | None
    amount_mm: float
    place: str
    n_places: int
    message: str

    def document(self) -> dict[str, object]:
        """The result as JSON values; an amount that is not there is None."""
        amount = None if np.isnan(self.amount_mm) else self.amount_mm
        return {name: getattr(self, name) for name in COLUMNS} | {"amount_mm": amount}


@dataclass(frozen=True, slots=True)
class Validity:
    """What the rules say of one anatomy.

    Parameters
    ----------
    results : tuple of RuleResult
    root_radius_mm : str
        The radius taken, in words: it is assumed.
    """

    results: tuple[RuleResult, ...]
    root_radius_mm: str

    @property
    def failures(self) -> tuple[RuleResult, ...]:
        """The rules that are broken."""
        return tuple(r for r in self.results if r.passed is False)

    @property
    def passed(self) -> bool:
        """No rule of geometry or anatomy is broken; the field of view is no fault of a shape."""
        return all(r.kind == "extent" for r in self.failures)

    @property
    def possible(self) -> bool:
        """No rule of geometry is broken: a solid can be made."""
        return all(r.kind != "geometry" for r in self.failures)

    def __getitem__(self, rule: str) -> RuleResult:
        """The result of a rule by name; KeyError where it was not asked."""
        return {r.rule: r for r in self.results}[rule]

    def rows(self) -> list[dict[str, object]]:
        """The results as rows of a table; ``COLUMNS`` says what they mean."""
        return [r.document() for r in self.results]

    def document(self) -> dict[str, object]:
        """All of it as JSON values."""
        return {
            "passed": self.passed,
            "possible": self.possible,
            "root_radius_mm": self.root_radius_mm,
            "root_radius": "assumed, not measured",
            "rules": self.rows(),
        }


@dataclass(frozen=True, slots=True, eq=False)
class ManyValidity:
    """What the rules say of many shapes.

    Parameters
    ----------
    rules : tuple of str
        (R,)
    amount_mm : (N, R) float
        Least margin by shape and rule; negative: how far the rule is broken; NaN: nothing to hold
        the rule against.
    held : (N, R) bool
        False where a rule is broken.
    """

    rules: tuple[str, ...]
    amount_mm: np.ndarray
    held: np.ndarray

    @property
    def passed(self) -> np.ndarray:
        """Mask (N,) as of :attr:`Validity.passed`."""
        return self._holding({"geometry", "anatomy"})

    @property
    def possible(self) -> np.ndarray:
        """Mask (N,) as of :attr:`Validity.possible`."""
        return self._holding({"geometry"})

    def _holding(self, kinds: set[str]) -> np.ndarray:
        columns = np.array([RULES[rule].kind in kinds for rule in self.rules])
        return np.asarray(self.held[:, columns].all(axis=1))


def check(
    anatomy: Anatomy,
    *,
    root_radius_mm: RadiusOption = ROOT_RADIUS_MM,
    rules: Sequence[str] | None = None,
) -> Validity:
    """Hold an anatomy against the rules; findings, never a refusal.

    Parameters
    ----------
    anatomy : Anatomy
        Measured, mean or sample, in any pose.  Missing (NaN) parts are left out.
    root_radius_mm : float or mapping of level to float or (float, float)
        Assumed; see :func:`atlas.mesh.surfaces.radii.radii_by_level`.
    rules : sequence of str, optional
        Names from :data:`atlas.mesh.validity.rules.RULES`; all by default.

    Returns
    -------
    Validity

    Raises
    ------
    ValidityError
        No such rule, or a sac of fewer than two rings.
    """
    names = _named(rules)
    batch = batch_of(anatomy, root_radius_mm=root_radius_mm)
    gaps = _missing(batch)
    results = tuple(_result(name, RULES[name].measure(batch), gaps) for name in names)
    return Validity(results, str(root_radius_mm))


def check_many(
    points: np.ndarray,
    scheme: LandmarkScheme,
    *,
    root_radius_mm: RadiusOption = ROOT_RADIUS_MM,
    rules: Sequence[str] | None = None,
) -> ManyValidity:
    """Hold many shapes of one scheme against the rules at once.

    Parameters
    ----------
    points : (N, L, 3) float
        mm; each in any pose.
    scheme : LandmarkScheme
    root_radius_mm, rules
        As in :func:`check`.

    Returns
    -------
    ManyValidity
        Exactly what :func:`check` says of each.

    Raises
    ------
    ValidityError
        No such rule, or a sac of fewer than two rings.
    """
    names = _named(rules)
    amounts, held = np.full((2, len(points), len(names)), np.nan)
    for start in range(0, len(points), CHUNK):
        batch = batch_of_scheme(
            points[start : start + CHUNK], scheme, root_radius_mm=root_radius_mm
        )
        for k, name in enumerate(names):
            margins = RULES[name].measure(batch)
            worst, _, broken = _summary(margins)
            amounts[start : start + CHUNK, k] = worst
            held[start : start + CHUNK, k] = broken == 0
    return ManyValidity(
        names,
        read_only(amounts, (None, None), "amount_mm"),
        read_only(held, (None, None), "held", dtype=bool),
    )


def _named(rules: Sequence[str] | None) -> tuple[str, ...]:
    names = tuple(RULES if rules is None else rules)
    unknown = [name for name in names if name not in RULES]
    if unknown:
        raise ValidityError(f"rules: expected some of {list(RULES)}, got {unknown}")
    return names


def _summary(margins: Margins) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Least margin (N,) by what is allowed, its column (N,), and how many are broken (N,)."""
    values = margins.values
    if not values.shape[1]:
        return np.full(len(values), np.nan), np.zeros(len(values), int), np.zeros(len(values), int)
    room = values + margins.allowance
    column = np.where(np.isnan(room), np.inf, room).argmin(axis=1)
    return values[np.arange(len(values)), column], column, (room < 0).sum(axis=1)


def _missing(batch: Batch) -> str:
    """What is not there to be checked, in words."""
    gaps = [
        f"{name}: {int(np.isnan(getattr(batch, name)[0]).any(axis=(1, 2)).sum())} rings"
        for name in ("dura", "cord")
        if np.isnan(getattr(batch, name)).any()
    ]
    lost = np.isnan(batch.roots[0]).any(axis=2) & ~np.isnan(batch.radii)
    if lost.any():
        gaps.append(f"roots: {int(lost.sum())} points")
    absent = [f"{level}" for level in LEVELS if level not in {key.level for key in batch.keys}]
    if absent:
        gaps.append(f"no roots {', '.join(absent)}")
    return f"missing and not checked: {'; '.join(gaps)}" if gaps else ""


def _result(name: str, margins: Margins, gaps: str) -> RuleResult:
    rule = RULES[name]
    (worst,), (column,), (broken,) = _summary(margins)
    if np.isnan(worst):
        return RuleResult(name, rule.kind, None, float("nan"), "", 0, f"not checked; {gaps}")
    place = margins.place(0, int(column))
    allowed = " less than nothing, within what is allowed," if worst < 0 and not broken else ""
    passed = bool(broken == 0)
    verb = "by" if passed else "broken by"
    said = [f"{rule.says}: {verb} {abs(worst):.2f} mm{allowed} at {place}"]
    if broken > 1:
        said.append(f"{broken} places")
    said += [text for text in (margins.note(0), gaps) if text]
    return RuleResult(name, rule.kind, passed, float(worst), place, int(broken), "; ".join(said))
