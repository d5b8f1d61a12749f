"""What is left out of a dataset on purpose: named, checked, recorded."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace

from atlas.data.dataset import Dataset
from atlas.data.subject import Finding, RootKey, Subject
from atlas.errors import AtlasError

KINDS = ("roots", "ganglia")
# A structure of a level that the atlas has not: not used as it is, and can be named all the same.
LEFT_ALREADY = "level-outside"


class ExclusionError(AtlasError):
    """A name that a dataset does not hold; the text lists what there is."""


def exclude(dataset: Dataset, names: Iterable[str]) -> Dataset:
    """Leave subjects or structures out of a dataset.

    Parameters
    ----------
    dataset : Dataset
    names : iterable of str
        ``sub-07``; ``sub-04/roots/L3/left`` and ``sub-02/ganglia/S2/right``, whose landmarks are
        then missing.

    Returns
    -------
    Dataset
        Without them, and without the findings about them.  The dataset itself if there are none.

    Raises
    ------
    ExclusionError
        A name that is not there, every one of them; or nobody is left.

    Examples
    --------
    >>> exclude(Dataset("cohort", ()), ["sub-07"])
    Traceback (most recent call last):
    ...
    atlas.data.exclusions.ExclusionError: cohort: no sub-07 to exclude; there are no subjects
    """
    wanted = tuple(dict.fromkeys(name.strip().rstrip("/") for name in names))
    if not wanted:
        return dataset
    # A subject that cannot be read is known by its findings only, and can be left out as a whole.
    named = sorted({s.id for s in dataset.subjects} | {f.subject for f in dataset.findings} - {""})
    subjects: dict[str, Subject | None] = dict.fromkeys(named)
    subjects |= {s.id: s for s in dataset.subjects}
    left_already = {_name(f) for f in dataset.findings if f.rule == LEFT_ALREADY}
    problems = [_problem(subjects, name) for name in wanted if name not in left_already]
    problems = [p for p in problems if p]
    if problems:
        raise ExclusionError("\n".join(f"{dataset.root}: {problem}" for problem in problems))
    gone = {name for name in wanted if "/" not in name}
    if gone >= {s.id for s in dataset.subjects}:
        raise ExclusionError(
            f"{dataset.root}: expected subjects left after the exclusions, got none of "
            f"{len(dataset.subjects)}; exclude fewer"
        )
    kept = tuple(_without(s, wanted) for s in dataset.subjects if s.id not in gone)
    places = {_place(name) for name in wanted if "/" in name}
    findings = tuple(
        f
        for f in dataset.findings
        if f.subject not in gone and (f.subject, _structure(f.place)) not in places
    )
    return Dataset(dataset.root, kept, findings, (*dataset.exclusions, *wanted))


def excludable(subject: Subject) -> tuple[str, ...]:
    """Names under which parts of a subject can be excluded."""
    return tuple(
        f"{subject.id}/{kind}/{key.level}/{key.side}"
        for kind in KINDS
        for key in getattr(subject, kind)
    )


def _problem(subjects: Mapping[str, Subject | None], name: str) -> str:
    """Why a name excludes nothing, with what there is instead; empty if it does."""
    identity, *rest = name.split("/")
    if identity not in subjects:
        listed = ", ".join(subjects)
        return f"no {name} to exclude; there are {listed or 'no subjects'}"
    subject = subjects[identity]
    if rest and subject is None:
        return (
            f"no {name} to exclude; {identity} could not be read: repair it or exclude {identity}"
        )
    if rest and subject is not None and name not in excludable(subject):
        return f"no {name} to exclude; {identity} has {', '.join(excludable(subject))}"
    return ""


def _name(finding: Finding) -> str:
    """The name under which the structure that a finding of the reader is about can be excluded."""
    named = _structure(finding.place)
    return f"{finding.subject}/{named[0]}/{'/'.join(named[1])}" if named is not None else ""


def _without(subject: Subject, names: Collection[str]) -> Subject:
    kept = {
        kind: {
            key: points
            for key, points in getattr(subject, kind).items()
            if f"{subject.id}/{kind}/{key.level}/{key.side}" not in names
        }
        for kind in KINDS
    }
    return replace(subject, roots=kept["roots"], ganglia=kept["ganglia"])


def _place(name: str) -> tuple[str, tuple[str, RootKey]]:
    identity, kind, level, side = name.split("/")
    return identity, (kind, RootKey(level, side))


def _structure(place: str) -> tuple[str, RootKey] | None:
    """The structure whose file a finding of the reader is about, None for others."""
    from atlas.data.layout import MARKER, level_and_side

    match = MARKER.match(place)
    if match is None:
        return None
    kind = "roots" if match["kind"].lower().startswith("nerve") else "ganglia"
    key = level_and_side(match["rest"])
    return (kind, key) if key is not None else None
