"""Slips of an annotator, by kind: what a person or a script does wrong, on sound subjects.

Import it as ``import annotator_slips``.  Each generator takes sound subjects and a generator of
random numbers, draws subject, level, place and amount within the ranges its text states, and
returns the slip with the name and the places under which it must be found.  ``SLIPS`` needs one
subject, ``COHORT_SLIPS`` a group.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.spatial.transform import Rotation

from atlas.curves.closed_splines import ClosedSplines
from atlas.data.subject import LEVELS, ROOT_KEYS, SIDES, RootKey, Subject

OTHER = {"left": "right", "right": "left"}


@dataclass(frozen=True, slots=True, eq=False)
class Slip:
    """One slip.

    Parameters
    ----------
    subjects : tuple of Subject
        All of them, the changed one among them.
    changed : str
        Its id.
    rules : tuple of str
        Names that are right for it; the first is the one.
    places : tuple of str
        Each must be found.  Empty text: the subject as a whole.
    amount : str
        With its unit.
    """

    subjects: tuple[Subject, ...]
    changed: str
    rules: tuple[str, ...]
    places: tuple[str, ...]
    amount: str = ""


Generator = Callable[[Sequence[Subject], np.random.Generator], Slip]
SLIPS: dict[str, Generator] = {}
COHORT_SLIPS: dict[str, Generator] = {}


def one_subject(rules: str) -> Callable[[Callable], Callable]:
    """Register a generator ``(subject, rng) -> (subject, places, amount)``."""

    def register(make: Callable) -> Callable:
        def generate(subjects: Sequence[Subject], rng: np.random.Generator) -> Slip:
            i = int(rng.integers(len(subjects)))
            changed, places, amount = make(subjects[i], rng)
            whole = (*subjects[:i], changed, *subjects[i + 1 :])
            return Slip(whole, changed.id, tuple(rules.split()), tuple(places), amount)

        SLIPS[make.__name__] = generate
        return make

    return register


def group(rules: str) -> Callable[[Callable], Callable]:
    """Register a generator ``(subjects, rng) -> (subjects, id, places, amount)``."""

    def register(make: Callable) -> Callable:
        def generate(subjects: Sequence[Subject], rng: np.random.Generator) -> Slip:
            whole, changed, places, amount = make(tuple(subjects), rng)
            return Slip(tuple(whole), changed, tuple(rules.split()), tuple(places), amount)

        COHORT_SLIPS[make.__name__] = generate
        return make

    return register


# --- small tools ---


def mapped(subject: Subject, matrix: np.ndarray, shift: np.ndarray | float = 0.0) -> Subject:
    """Every coordinate through one affine map; contours and roots again from the top down."""

    def move(points: np.ndarray) -> np.ndarray:
        return points @ np.asarray(matrix, float).T + shift

    def stack(contours):
        return tuple(sorted((move(c) for c in contours), key=lambda c: -c[:, 2].mean()))

    def down(points):
        return points if points[0, 2] >= points[-1, 2] else points[::-1]

    return replace(
        subject,
        dura=stack(subject.dura),
        cord=stack(subject.cord),
        roots={k: down(move(p)) for k, p in subject.roots.items()},
        ganglia={k: move(p) for k, p in subject.ganglia.items()},
    )


def pick(rng: np.random.Generator, items: Sequence):
    return items[int(rng.integers(len(items)))]


def with_contour(subject: Subject, kind: str, i: int, *contours: np.ndarray) -> Subject:
    """Contour ``i`` replaced by any number of contours, in order of height as a reader gives."""
    stack = list(getattr(subject, kind))
    stack[i : i + 1] = contours
    return replace(subject, **{kind: tuple(sorted(stack, key=lambda c: -c[:, 2].mean()))})


def with_root(subject: Subject, key: RootKey, points: np.ndarray) -> Subject:
    return replace(subject, roots={**subject.roots, key: points})


def with_ganglion(subject: Subject, **at: np.ndarray) -> Subject:
    """Ganglia at ``L3_left=…``."""
    new = {RootKey(*name.split("_")): point for name, point in at.items()}
    return replace(subject, ganglia={**subject.ganglia, **new})


def name(key: RootKey) -> str:
    return f"{key.level}_{key.side}"


def contour_place(kind: str, contour: np.ndarray) -> str:
    return f"{kind} contour at z {contour[:, 2].mean():.1f} mm"


def any_contour(subject: Subject, rng: np.random.Generator, *, margin: int = 2, least_mm=2.0):
    """Kind and index of a contour off the ends, of a mean radius that can be judged."""
    while True:
        kind = pick(rng, ("dura", "cord"))
        stack = getattr(subject, kind)
        i = int(rng.integers(margin, len(stack) - margin))
        if np.ptp(stack[i], axis=0)[:2].min() / 2 >= least_mm:
            return kind, i


def dense(contour: np.ndarray, shares: np.ndarray) -> np.ndarray:
    """Points on the contour's spline at shares of a round, 1 and more going round again."""
    n = len(contour)
    place = (shares * n) % n
    segment = np.minimum(place.astype(int), n - 1)
    return ClosedSplines.through(contour[None]).at(segment[None], (place - segment)[None])[0]


def root_point(subject: Subject, rng: np.random.Generator, *, margin: int = 5):
    key = pick(rng, list(subject.roots))
    return key, int(rng.integers(margin, len(subject.roots[key]) - margin))


def aside(rng: np.random.Generator, mm: float) -> np.ndarray:
    turn = rng.uniform(0, 2 * np.pi)
    return np.array([mm * np.cos(turn), mm * np.sin(turn), 0.0])


def at(key: RootKey, point: np.ndarray) -> str:
    return f"root {key.level} {key.side} at z {point[2]:.1f} mm"


# --- units and axes ---


@one_subject("wrong-unit")
def metres_for_mm(subject, rng):
    return mapped(subject, np.eye(3) * 1e-3), [""], "factor 1000"


@one_subject("wrong-unit")
def micrometres_for_mm(subject, rng):
    return mapped(subject, np.eye(3) * 1e3), [""], "factor 1000"


@one_subject("wrong-unit")
def one_root_in_metres(subject, rng):
    key = pick(rng, list(subject.roots))
    changed = with_root(subject, key, subject.roots[key] * 1e-3)
    return changed, [f"root {key.level} {key.side}"], "factor 1000"


@one_subject("ras-not-lps")
def ras_for_lps(subject, rng):
    return mapped(subject, np.diag([-1.0, -1, 1])), [""], "x and y negated"


@one_subject("ras-not-lps")
def one_root_ras_for_lps(subject, rng):
    key = pick(rng, list(subject.roots))
    changed = with_root(subject, key, subject.roots[key] * [-1, -1, 1])
    return changed, [f"root {key.level} {key.side}"], "x and y negated"


@one_subject("ras-not-lps")
def one_contour_ras_for_lps(subject, rng):
    kind, i = any_contour(subject, rng)
    contour = getattr(subject, kind)[i] * [-1, -1, 1]
    return with_contour(subject, kind, i, contour), [contour_place(kind, contour)], "negated"


@one_subject("upside-down")
def negated_height(subject, rng):
    return mapped(subject, np.diag([1.0, 1, -1])), [""], "z negated"


# --- sides ---


@one_subject("swapped-sides")
def mirrored_subject(subject, rng):
    return mapped(subject, np.diag([-1.0, 1, 1])), [""], "x negated"


@one_subject("swapped-sides")
def sides_swapped_everywhere(subject, rng):
    def swap(places):
        return {RootKey(k.level, OTHER[k.side]): v for k, v in places.items()}

    changed = replace(subject, roots=swap(subject.roots), ganglia=swap(subject.ganglia))
    return changed, [""], "14 pairs"


@one_subject("swapped-sides")
def sides_swapped_at_one_level(subject, rng):
    level = pick(rng, LEVELS)
    left, right = RootKey(level, "left"), RootKey(level, "right")
    kind = pick(rng, ("roots", "ganglia"))
    places = getattr(subject, kind)
    changed = replace(subject, **{kind: {**places, left: places[right], right: places[left]}})
    return changed, [f"{kind} {level}"], "1 pair"


@one_subject("ganglion-wrong-side")
def ganglion_on_the_other_side(subject, rng):
    key = pick(rng, ROOT_KEYS)
    own, other = subject.ganglia[key], subject.ganglia[RootKey(key.level, OTHER[key.side])]
    changed = with_ganglion(subject, **{name(key): np.r_[other[0] + rng.normal(0, 1.5), own[1:]]})
    return changed, [f"ganglion {key.level} {key.side}"], f"{abs(own[0] - other[0]):.0f} mm"


@one_subject("copied-structure")
def root_traced_twice(subject, rng):
    """Under its own name and under that of a neighbouring level, 0.1 mm of noise."""
    i, side = int(rng.integers(6)), pick(rng, SIDES)
    key, copy = RootKey(LEVELS[i], side), RootKey(LEVELS[i + 1], side)
    points = subject.roots[key].copy()
    points[:, :2] += rng.normal(0, 0.1, (len(points), 2))
    return with_root(subject, copy, points), [f"root {copy.level} {side}"], "0.1 mm"


# --- slices ---


@one_subject("missing-slice")
def slices_left_out(subject, rng):
    """1 to 3 in a row."""
    kind, i = any_contour(subject, rng, margin=5)
    count = int(rng.integers(1, 4))
    stack = getattr(subject, kind)
    changed = replace(subject, **{kind: stack[:i] + stack[i + count :]})
    z = [stack[j][:, 2].mean() for j in (i - 1, i + count)]
    return changed, [f"{kind} between z {z[0]:.1f} and {z[1]:.1f} mm"], f"{count} slices"


@one_subject("contour-off-slice")
def contour_moved_in_height(subject, rng):
    """0.15 to 0.85 of a slice."""
    kind, i = any_contour(subject, rng)
    share = rng.uniform(0.15, 0.85) * pick(rng, (-1, 1))
    contour = getattr(subject, kind)[i] + [0, 0, share * subject.spacing_mm]
    place = contour_place(kind, contour)
    return with_contour(subject, kind, i, contour), [place], f"{abs(share):.2f} slices"


@one_subject("doubled-contour")
def contour_traced_twice(subject, rng):
    """In one slice, 0.3 mm of noise, other points."""
    kind, i = any_contour(subject, rng)
    contour = getattr(subject, kind)[i]
    again = dense(contour, (np.arange(len(contour)) + 0.5) / len(contour))
    again = again + np.c_[rng.normal(0, 0.3, (len(again), 2)), np.zeros(len(again))]
    again[:, 2] = contour[:, 2].mean()
    changed = with_contour(subject, kind, i, contour, again)
    return changed, [contour_place(kind, contour)], "1 contour"


@one_subject("copied-contour")
def contour_copied_to_the_next_slice(subject, rng):
    kind, i = any_contour(subject, rng)
    stack = getattr(subject, kind)
    step = stack[i + 1].mean(axis=0)[2] - stack[i].mean(axis=0)[2]
    # Along the stack, as slices of a tilted subject do not stand one above the other.
    along = subject_axis(subject)
    copy = stack[i] + along * (step / along[2])
    return with_contour(subject, kind, i + 1, copy), [contour_place(kind, copy)], "1 contour"


def subject_axis(subject: Subject) -> np.ndarray:
    from atlas.data.subject import stack_axis

    return stack_axis(subject.dura)


# --- single contours ---


@one_subject("contour-out-of-line")
def contour_moved_sideways(subject, rng):
    """1.5 to 6 mm."""
    kind, i = any_contour(subject, rng)
    mm = rng.uniform(1.5, 6.0)
    contour = getattr(subject, kind)[i] + aside(rng, mm)
    return with_contour(subject, kind, i, contour), [contour_place(kind, contour)], f"{mm:.1f} mm"


@one_subject("contour-size-jump mislabelled-contour")
def contour_too_small_or_large(subject, rng):
    """Radii of 50 to 75 or 130 to 160 percent."""
    kind, i = any_contour(subject, rng, least_mm=3.0)
    contour = getattr(subject, kind)[i]
    factor = rng.uniform(0.5, 0.75) if rng.random() < 0.5 else rng.uniform(1.3, 1.6)
    middle = contour.mean(axis=0)
    contour = middle + factor * (contour - middle)
    return with_contour(subject, kind, i, contour), [contour_place(kind, contour)], f"x{factor:.2f}"


@one_subject("open-contour")
def contour_left_open(subject, rng):
    """150 to 220 degrees (of points) not traced."""
    kind, i = any_contour(subject, rng, least_mm=3.0)
    contour = getattr(subject, kind)[i]
    share = rng.uniform(150, 220) / 360
    kept = max(round(len(contour) * (1 - share)), 4)
    contour = np.roll(contour, int(rng.integers(len(contour))), axis=0)[:kept]
    place = contour_place(kind, contour)
    return with_contour(subject, kind, i, contour), [place], f"{360 * share:.0f} degrees"


@one_subject("overlapping-contour")
def contour_traced_past_its_beginning(subject, rng):
    """By 60 to 150 degrees."""
    kind, i = any_contour(subject, rng, least_mm=3.0)
    contour = getattr(subject, kind)[i]
    rounds = 1 + rng.uniform(60, 150) / 360
    n = round(len(contour) * rounds)
    more = dense(contour, np.linspace(0, rounds, n) + rng.uniform(0, 0.2 / n))
    more = more + np.c_[rng.normal(0, 0.1, (n, 2)), np.zeros(n)]
    place = contour_place(kind, more)
    return with_contour(subject, kind, i, more), [place], f"{360 * (rounds - 1):.0f} degrees"


@one_subject("self-crossing-contour")
def contour_points_in_wrong_order(subject, rng):
    """Two points exchanged, one to three places apart."""
    kind, i = any_contour(subject, rng, least_mm=3.0)
    contour = getattr(subject, kind)[i].copy()
    j, apart = int(rng.integers(len(contour))), int(rng.integers(1, 4))
    k = (j + apart) % len(contour)
    contour[[j, k]] = contour[[k, j]]
    return with_contour(subject, kind, i, contour), [contour_place(kind, contour)], "2 points"


@one_subject("stray-point")
def stray_click_in_a_contour(subject, rng):
    """A last point 4 to 30 mm outside, in any direction."""
    kind, i = any_contour(subject, rng)
    contour = getattr(subject, kind)[i]
    mm = rng.uniform(4.0, 30.0)
    away = aside(rng, 1.0)
    reach = ((contour - contour.mean(axis=0)) @ away).max() + mm
    contour = np.vstack([contour, contour.mean(axis=0) + reach * away])
    return with_contour(subject, kind, i, contour), [contour_place(kind, contour)], f"{mm:.0f} mm"


@one_subject("contour-not-planar")
def contour_point_in_another_slice(subject, rng):
    kind, i = any_contour(subject, rng)
    contour = getattr(subject, kind)[i].copy()
    slices = int(rng.integers(1, 4)) * pick(rng, (-1, 1))
    contour[int(rng.integers(len(contour))), 2] += slices * subject.spacing_mm
    return with_contour(subject, kind, i, contour), [contour_place(kind, contour)], "1-3 slices"


@one_subject("mislabelled-contour")
def cord_contour_named_dura(subject, rng):
    i = int(rng.integers(3, len(subject.cord) * 2 // 3))
    contour = subject.cord[i]
    return with_contour(subject, "dura", i, contour), [contour_place("dura", contour)], "1 contour"


@one_subject("mislabelled-contour")
def cord_and_dura_exchanged_in_a_slice(subject, rng):
    i = int(rng.integers(3, len(subject.cord) * 2 // 3))
    dura, cord = subject.dura[i], subject.cord[i]
    changed = with_contour(with_contour(subject, "dura", i, cord), "cord", i, dura)
    return changed, [contour_place("dura", cord), contour_place("cord", dura)], "2 contours"


@one_subject("exchanged-stacks")
def cord_and_dura_exchanged_everywhere(subject, rng):
    return replace(subject, dura=subject.cord, cord=subject.dura), ["dura and cord"], "all"


# --- roots ---


@one_subject("exchanged-levels")
def two_levels_exchanged_on_one_side(subject, rng):
    """Neighbouring roots, their begins 4 mm or their angles 8 degrees apart or more."""
    pairs = [(i, side) for i in range(6) for side in SIDES if _told_apart(subject, i, side)]
    i, side = pick(rng, pairs)
    return (
        _exchanged(subject, i, i + 1, (side,)),
        [f"roots {LEVELS[i]} and {LEVELS[i + 1]} {side}"],
        _apart(subject, i, side),
    )


@one_subject("exchanged-levels")
def two_levels_exchanged_on_both_sides(subject, rng):
    """Neighbouring roots, their begins 8 mm or more apart on both sides."""
    pairs = [i for i in range(6) if all(_begins(subject, i, s) >= 7.9 for s in SIDES)]
    i = pick(rng, pairs)
    return (
        _exchanged(subject, i, i + 1, SIDES),
        [f"roots {LEVELS[i]} and {LEVELS[i + 1]} both sides"],
        _apart(subject, i, "left"),
    )


@one_subject("exchanged-levels")
def distant_levels_exchanged(subject, rng):
    """Two or three levels apart, on one side."""
    side, i = pick(rng, SIDES), int(rng.integers(4))
    j = i + int(rng.integers(2, 4))
    place = f"roots {LEVELS[i]} and {LEVELS[j]} {side}"
    return _exchanged(subject, i, j, (side,)), [place], f"{j - i} levels"


def _exchanged(subject, i, j, sides):
    roots = dict(subject.roots)
    for side in sides:
        a, b = RootKey(LEVELS[i], side), RootKey(LEVELS[j], side)
        roots[a], roots[b] = subject.roots[b], subject.roots[a]
    return replace(subject, roots=roots)


def _begins(subject, i, side):
    a, b = (subject.roots[RootKey(LEVELS[k], side)][0, 2] for k in (i, i + 1))
    return a - b


def _angles(subject, i, side):
    from atlas.checks import Profile

    angle = Profile.of(subject).angle_deg
    return [angle[RootKey(LEVELS[k], side)] for k in (i, i + 1)]


def _told_apart(subject, i, side):
    first, second = _angles(subject, i, side)
    return min(_begins(subject, i, s) for s in SIDES) >= 3.9 or (i >= 2 and first - second >= 8)


def _apart(subject, i, side):
    return f"begins {_begins(subject, i, side):.0f} mm"


@one_subject("reversed-root")
def root_in_reverse_order(subject, rng):
    """As a script may hand it over: files are put in order on reading."""
    key = pick(rng, ROOT_KEYS)
    changed = with_root(subject, key, subject.roots[key][::-1])
    return changed, [f"root {key.level} {key.side}"], "whole"


@one_subject("root-points-out-of-order")
def root_points_out_of_order(subject, rng):
    """Two points exchanged, two to ten places apart."""
    key, i = root_point(subject, rng, margin=3)
    points = subject.roots[key].copy()
    j = min(i + int(rng.integers(2, 11)), len(points) - 1)
    points[[i, j]] = points[[j, i]]
    return with_root(subject, key, points), [f"root {key.level} {key.side}"], f"{j - i} places"


@one_subject("stray-point")
def stray_click_in_a_root(subject, rng):
    """One point 3 to 15 mm aside."""
    key, i = root_point(subject, rng, margin=3)
    points = subject.roots[key].copy()
    mm = rng.uniform(3.0, 15.0)
    points[i] += aside(rng, mm)
    return with_root(subject, key, points), [at(key, points[i])], f"{mm:.1f} mm"


@one_subject("root-jump")
def root_continued_on_another(subject, rng):
    """From some slice on, 4 to 8 mm aside."""
    key, i = root_point(subject, rng, margin=8)
    points = subject.roots[key].copy()
    mm = rng.uniform(4.0, 8.0)
    points[i + 1 :] += aside(rng, mm)
    return with_root(subject, key, points), [at(key, points[i])], f"{mm:.1f} mm"


@one_subject("gap-in-root")
def root_slices_left_out(subject, rng):
    """1 to 5 in a row."""
    key, i = root_point(subject, rng, margin=7)
    count = int(rng.integers(1, 6))
    points = np.delete(subject.roots[key], np.s_[i + 1 : i + 1 + count], axis=0)
    return with_root(subject, key, points), [at(key, points[i])], f"{count} slices"


@one_subject("outside-dura stray-point")
def root_point_outside_the_sac(subject, rng):
    """2 to 6 mm outside, straight away from the middle."""
    key, i = root_point(subject, rng)
    points = subject.roots[key].copy()
    mm = rng.uniform(2.0, 6.0)
    points[i] = _pushed(subject.dura, points[i], mm)
    return with_root(subject, key, points), [at(key, points[i])], f"{mm:.1f} mm"


@one_subject("inside-cord stray-point")
def root_point_inside_the_cord(subject, rng):
    """On the cord's middle to 0.7 mm under its surface."""
    while True:
        key, i = root_point(subject, rng)
        point = subject.roots[key][i]
        heights = np.array([c[:, 2].mean() for c in subject.cord])
        contour = subject.cord[int(np.abs(heights - point[2]).argmin())]
        if np.abs(heights - point[2]).min() < 1 and np.ptp(contour, axis=0)[:2].min() > 4:
            break
    points = subject.roots[key].copy()
    away = points[i] - contour.mean(axis=0)
    away[2] = 0
    away /= np.linalg.norm(away)
    depth = rng.uniform(0.7, 1.5)
    flat = contour - contour.mean(axis=0)
    near = (flat @ away)[np.linalg.norm(flat - np.outer(flat @ away, away), axis=1).argsort()[:4]]
    points[i, :2] = (contour.mean(axis=0) + away * (near.max() - depth))[:2]
    return with_root(subject, key, points), [at(key, points[i])], f"{depth:.1f} mm"


def _pushed(contours, point, mm):
    heights = np.array([c[:, 2].mean() for c in contours])
    contour = contours[int(np.abs(heights - point[2]).argmin())]
    middle = contour.mean(axis=0)
    away = (point - middle) * [1, 1, 0]
    away /= np.linalg.norm(away)
    reach = ((contour - middle) @ away).max()
    return np.r_[(middle + (reach + mm) * away)[:2], point[2]]


# --- ganglia ---


@one_subject("exchanged-ganglia")
def ganglia_exchanged_between_levels(subject, rng):
    """Any two levels of one side."""
    side = pick(rng, SIDES)
    i, j = sorted(rng.choice(7, 2, replace=False))
    a, b = RootKey(LEVELS[i], side), RootKey(LEVELS[j], side)
    ganglia = {**subject.ganglia, a: subject.ganglia[b], b: subject.ganglia[a]}
    places = [f"ganglion {k.level} {side}" for k in (a, b)]
    return replace(subject, ganglia=ganglia), places, f"{j - i} levels"


@one_subject("ganglion-above-root exchanged-ganglia")
def ganglion_above_its_root(subject, rng):
    """2 to 30 mm above the last traced point."""
    key = pick(rng, [k for k in ROOT_KEYS if k.level in ("L1", "L2", "L3")])
    mm = rng.uniform(2, 30)
    point = subject.ganglia[key].copy()
    point[2] = subject.roots[key][-1, 2] + mm
    changed = with_ganglion(subject, **{name(key): point})
    return changed, [f"ganglion {key.level} {key.side}"], f"{mm:.0f} mm"


@one_subject("ganglion-misplaced exchanged-ganglia")
def ganglion_at_the_wrong_height(subject, rng):
    """16 to 22 mm too high or too low."""
    key = pick(rng, [k for k in ROOT_KEYS if k.level not in ("L1", "L2")])
    mm = rng.uniform(16, 22) * pick(rng, (-1, 1))
    point = subject.ganglia[key] + [0, 0, mm]
    changed = with_ganglion(subject, **{name(key): point})
    return changed, [f"ganglion {key.level} {key.side}"], f"{abs(mm):.0f} mm"


@one_subject("copied-structure")
def ganglion_marked_twice(subject, rng):
    """One place under two names."""
    i, side = int(rng.integers(6)), pick(rng, SIDES)
    a, b = RootKey(LEVELS[i], side), RootKey(LEVELS[i + 1], side)
    changed = with_ganglion(subject, **{name(b): subject.ganglia[a] + rng.normal(0, 0.05, 3)})
    return changed, [f"ganglion {b.level} {side}"], "0.1 mm"


# --- subjects of a group ---


@group("duplicate-subject")
def subject_under_two_names(subjects, rng):
    """Point for point."""
    i, j = rng.choice(len(subjects), 2, replace=False)
    whole = list(subjects)
    whole[j] = replace(subjects[i], id=subjects[j].id)
    return whole, subjects[max(i, j)].id, [""], "identical"


@group("duplicate-subject")
def subject_annotated_again_under_another_name(subjects, rng):
    """0.15 to 0.3 mm of noise an axis; turned up to 5 degrees, moved up to 30 mm."""
    i, j = rng.choice(len(subjects), 2, replace=False)
    turn = Rotation.from_euler("xyz", rng.uniform(-5, 5, 3), degrees=True).as_matrix()
    noise = rng.uniform(0.15, 0.3)
    again = mapped(subjects[i], turn, rng.uniform(-30, 30, 3))
    again = replace(
        again,
        roots={
            k: p + np.c_[rng.normal(0, noise, (len(p), 2)), np.zeros(len(p))] @ turn.T
            for k, p in again.roots.items()
        },
        ganglia={k: g + rng.normal(0, noise, 3) for k, g in again.ganglia.items()},
    )
    whole = list(subjects)
    whole[j] = replace(again, id=subjects[j].id)
    return whole, subjects[max(i, j)].id, [""], f"{noise:.2f} mm"


@group("file-of-another-subject")
def file_copied_from_another_subject(subjects, rng):
    """A root or a ganglion; the original stays."""
    i, j = rng.choice(len(subjects), 2, replace=False)
    key, kind = pick(rng, ROOT_KEYS), pick(rng, ("roots", "ganglia"))
    places = {**getattr(subjects[j], kind), key: getattr(subjects[i], kind)[key]}
    whole = list(subjects)
    whole[j] = replace(subjects[j], **{kind: places})
    noun = {"roots": "root", "ganglia": "ganglion"}[kind]
    return whole, subjects[j].id, [f"{noun} {key.level} {key.side}"], "1 file"


@group("root-off-slice misplaced-root misplaced-file")
def root_of_another_subject(subjects, rng):
    """The original is gone; the other lies 0.5 mm or more off these slices in height."""
    i, j = rng.choice(len(subjects), 2, replace=False)
    key = pick(rng, ROOT_KEYS)
    points, spacing = subjects[i].roots[key], subjects[j].spacing_mm
    off = (points[0, 2] - subjects[j].dura[0][0, 2]) % spacing
    shift = np.r_[rng.uniform(-15, 15, 2), spacing * rng.uniform(0.25, 0.75) - off]
    points = points + shift
    whole = list(subjects)
    whole[j] = with_root(subjects[j], key, points)
    return whole, subjects[j].id, [f"root {key.level} {key.side}"], "1 file"


@group("outlier-shape")
def subject_unlike_the_others(subjects, rng):
    """A wrong voxel size in the plane: everything across 0.5 to 0.6 or 1.7 to 2 times."""
    j = int(rng.integers(len(subjects)))
    factor = rng.uniform(0.5, 0.6) if rng.random() < 0.5 else rng.uniform(1.7, 2.0)
    middle = subjects[j].dura[0].mean(axis=0)
    scale = np.diag([factor, factor, 1.0])
    whole = list(subjects)
    whole[j] = mapped(subjects[j], scale, middle - middle @ scale)
    return whole, subjects[j].id, [""], f"x{factor:.2f}"
