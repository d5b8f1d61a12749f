"""Subjects against each other: the same twice, a file of another, a shape unlike the rest."""

from __future__ import annotations

from collections import defaultdict
from itertools import combinations

import numpy as np

from atlas.checks.profile import Profile, contour_place
from atlas.checks.rules import finding_of
from atlas.curves.contour_stack import ContourStack
from atlas.data.subject import LEVELS, ROOT_KEYS, SIDES, Finding, Place, RootKey, Severity, Subject

# RMS of ganglia and begins of roots of two subjects after the best rigid motion.  Subjects of the
# built-in cohort keep 3.0 mm apart (5 cohorts), warped copies of one 0.67 mm (12 cohorts); an
# annotation and its repetition with 0.3 mm of noise an axis come to 0.5 mm.
SAME_PERSON_MM = 0.65
IDENTICAL_MM = 1e-3
# Contours of one kind that two subjects share and that are said as one.
STACK = 4
# Chance, over a whole cohort of normal shapes, that any subject is called an outlier.
FALSE_ALARM = 0.01
LEAST_SUBJECTS = 8
# Fixed before any data are seen, so that the distance has a known law at any n.
DIRECTIONS = {
    "sac calibre": "log mean radius of the dura",
    "cord calibre": "log mean radius of the upper half of the cord",
    "level spacing": "log distance of the ganglia L1 and S1",
    "root angle": "mean angle of all roots from dorsal",
}


def cohort_findings(profiles: tuple[Profile, ...]) -> list[Finding]:
    """What shows only beside the other subjects.

    Returns
    -------
    list of Finding
        ``duplicate-subject`` (errors; warnings where nearly), ``file-of-another-subject`` (errors),
        ``outlier-shape`` (warnings).
    """
    subjects = tuple(p.subject for p in profiles)
    doubles, pairs = _duplicates(subjects)
    return [*doubles, *_shared_files(subjects, pairs), *_outliers(profiles)]


def _duplicates(subjects: tuple[Subject, ...]) -> tuple[list[Finding], set[tuple[str, str]]]:
    findings, pairs = [], set()
    marks = {s.id: _marks(s) for s in subjects}
    for first, second in combinations([s.id for s in subjects], 2):
        apart = _rigid_rms(marks[first], marks[second])
        if apart > SAME_PERSON_MM:
            continue
        pairs.add((first, second))
        identical = apart <= IDENTICAL_MM
        how = "the same points" if identical else f"nearly the same points ({apart:.2f} mm RMS)"
        findings.append(
            finding_of(
                second,
                "duplicate-subject",
                Place(),
                f"expected a person of its own, got {how} as {first}: leave one of the two out",
                severity=None if identical else Severity.WARNING,
            )
        )
    return findings, pairs


def _marks(subject: Subject) -> np.ndarray:
    """Ganglia and begins of roots, (28, 3) mm; NaN where absent."""
    absent = np.full(3, np.nan)
    ganglia = [subject.ganglia.get(k, absent) for k in ROOT_KEYS]
    begins = [subject.roots[k][0] if k in subject.roots else absent for k in ROOT_KEYS]
    return np.array(ganglia + begins)


def _rigid_rms(one: np.ndarray, other: np.ndarray) -> float:
    """RMS distance after the best rigid motion (Kabsch 1976), mm; infinite with under 8 marks."""
    both = ~np.isnan(one + other).any(axis=1)
    if both.sum() < 8:
        return float("inf")
    a, b = one[both] - one[both].mean(axis=0), other[both] - other[both].mean(axis=0)
    u, s, vt = np.linalg.svd(a.T @ b)
    s[-1] *= np.sign(np.linalg.det(u) * np.linalg.det(vt))
    left = max(float((a**2).sum() + (b**2).sum() - 2 * s.sum()), 0.0)
    # What cancels to nothing leaves rounding of the sums.
    left = 0.0 if left < 1e-12 * float((a**2).sum()) else left
    return float(np.sqrt(left / both.sum()))


def _shared_files(subjects: tuple[Subject, ...], pairs: set[tuple[str, str]]) -> list[Finding]:
    """Structures that two subjects have point for point, wherever they stand."""
    owners: dict[bytes, list[tuple[str, Place]]] = defaultdict(list)
    for subject in subjects:
        for place, trace in _traces(subject).items():
            owners[trace].append((subject.id, place))
    shared: dict[tuple[str, str], list[tuple[Place, Place]]] = defaultdict(list)
    for holders in owners.values():
        for (one, here), (two, there) in combinations(holders, 2):
            if one != two and tuple(sorted((one, two))) not in pairs:
                shared[one, two].append((here, there))
    findings = []
    for (first, second), places in shared.items():
        for place, other in _collapsed(places):
            findings += [_copy(first, place, f"{second}/{other}")]
            findings += [_copy(second, other, f"{first}/{place}")]
    return findings


def _collapsed(places: list[tuple[Place, Place]]) -> list[tuple[Place, Place]]:
    """Places of both subjects; many contours of one kind are one stack."""
    kept = [p for p in places if p[0].index is None]
    for kind in ("dura", "cord"):
        contours = [p for p in places if p[0].index is not None and p[0].structure == kind]
        kept += [(Place(kind), Place(kind))] if len(contours) >= STACK else contours
    return kept


def _copy(subject: str, place: Place, of: str) -> Finding:
    return finding_of(
        subject,
        "file-of-another-subject",
        place,
        f"expected points of its own, got those of {of} exactly; one of the two is a copy: "
        "exclude it or trace it again",
    )


def _traces(subject: Subject) -> dict[Place, bytes]:
    """The points of every structure of a subject."""
    structures = {Place("root", *key): points for key, points in subject.roots.items()}
    structures |= {Place("ganglion", *key): point[None] for key, point in subject.ganglia.items()}
    for kind in ("dura", "cord"):
        contours = getattr(subject, kind)
        structures |= {contour_place(kind, contours, i): c for i, c in enumerate(contours)}
    stack = ContourStack.of(list(structures.values()))
    # Trailing bits differ where a file was written again.
    rounded = stack.split(np.round(stack.points, 4))
    return {place: points.tobytes() for place, points in zip(structures, rounded, strict=True)}


def _outliers(profiles: tuple[Profile, ...]) -> list[Finding]:
    """Subjects far from the others, each held against all but itself.

    Hotelling's T² of one subject against N others in k fixed directions follows
    (N - 1) k / (N - k) F(k, N - k) where shapes are normal; p-values are held to
    :data:`FALSE_ALARM` over the cohort by Holm (1979).
    """
    named = [(p.subject.id, _direction_values(p)) for p in profiles]
    judged = [(i, v) for i, v in named if not np.isnan(v).any()]
    if len(judged) < LEAST_SUBJECTS:
        return []
    values = np.array([v for _, v in judged])
    chances = leave_one_out_chances(values)
    findings = []
    for rank, i in enumerate(np.argsort(chances)):
        if chances[i] > FALSE_ALARM / (len(chances) - rank):
            break
        findings.append(_outlier(judged[i][0], values, int(i), float(chances[i])))
    return findings


def leave_one_out_chances(values: np.ndarray) -> np.ndarray:
    """Chance of each row to lie so far from the others, if all are draws of one normal law.

    Parameters
    ----------
    values : (n, k) float
        n >= k + 3.

    Returns
    -------
    (n,) float
        Upper tail of T² (N - k) / ((N - 1) k), F with k and N - k degrees of freedom, N = n - 1;
        exact for one row, as it is independent of the mean and covariance of the others.
    """
    from scipy.special import fdtrc

    n, k = values.shape
    others = n - 1
    statistic = np.empty(n)
    for i in range(n):
        rest = np.delete(values, i, axis=0)
        away = values[i] - rest.mean(axis=0)
        spread = np.cov(rest, rowvar=False) + 1e-12 * np.eye(k)
        t2 = others / (others + 1) * away @ np.linalg.solve(spread, away)
        statistic[i] = t2 * (others - k) / ((others - 1) * k)
    return np.asarray(fdtrc(k, others - k, np.maximum(statistic, 0)))


def _direction_values(profile: Profile) -> np.ndarray:
    """The subject along :data:`DIRECTIONS`, (4,); NaN where it lacks what is measured."""
    upper = profile.cord.radii[: max(len(profile.cord.radii) // 2, 1)]
    spans = [
        profile.ganglia[RootKey(LEVELS[0], side)][2] - profile.ganglia[RootKey("S1", side)][2]
        for side in SIDES
        if RootKey(LEVELS[0], side) in profile.ganglia and RootKey("S1", side) in profile.ganglia
    ]
    angles = list(profile.angle_deg.values())
    whole = len(spans) == 2 and len(angles) == len(ROOT_KEYS) and min(spans) > 0
    if not whole:
        return np.full(len(DIRECTIONS), np.nan)
    return np.array(
        [
            np.log(np.median(profile.dura.radii)),
            np.log(np.median(upper)),
            np.log(np.mean(spans)),
            np.mean(angles),
        ]
    )


def _outlier(subject: str, values: np.ndarray, i: int, chance: float) -> Finding:
    rest = np.delete(values, i, axis=0)
    sd = rest.std(axis=0, ddof=1)
    away = (values[i] - rest.mean(axis=0)) / np.where(sd > 0, sd, np.inf)
    worst = int(np.abs(away).argmax())
    name = list(DIRECTIONS)[worst]
    return finding_of(
        subject,
        "outlier-shape",
        Place(),
        f"expected a shape among those of the other {len(rest)} subjects, got one this far off "
        f"with p = {chance:.1e} (leave-one-out Hotelling T², {len(DIRECTIONS)} directions, Holm at "
        f"{FALSE_ALARM:g} over the cohort); {name} stands off most, by {away[worst]:+.1f} SD "
        f"({DIRECTIONS[name]}): check scale and sex, or build once without it",
    )
