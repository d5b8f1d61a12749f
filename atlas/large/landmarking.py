"""From folders of subjects to landmarks on disk, a few subjects a task.

What depths all subjects share, and how rough roots are, is known only when each has been looked
at. Its files are opened once: its fit waits on disk until then, and is put into correspondence.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from atlas.checks import Profile, subject_findings
from atlas.data.dataset import refuse_errors
from atlas.data.subject import Finding, Severity
from atlas.landmarks.bridging import HiddenError, combined_roughness, subject_hidden_error
from atlas.landmarks.fitting_curves import FittedSubject, fit_subject, subject_anatomy
from atlas.landmarks.placing import Extent, LandmarkSet, place_subject, scheme_with_extents
from atlas.landmarks.scheme import Anatomy, LandmarkScheme
from atlas.large.kept_fits import KeptFits
from atlas.large.landmark_file import LandmarkFile, new_landmark_file
from atlas.large.subject_folders import FolderListing, SubjectFolder
from atlas.large.workers import Workers
from atlas.model.field_of_view import FieldOfView, field_of_view
from atlas.progress import Stage, quiet
from atlas.threads import one_thread

# Subjects a task: some tenths of a second, so that neither waiting nor starting counts.
TASK_SUBJECTS = 8

Names = tuple[tuple[str, str, str], ...]
# Names (level, side, measure), values and codes of what they rest on, of an anatomy.
Measures = Callable[[Anatomy], tuple[Names, np.ndarray, np.ndarray]]


@dataclass(frozen=True, slots=True, eq=False)
class SurveyedSubject:
    """What a large build keeps of a subject beside its landmarks.

    Parameters
    ----------
    id, notice, sha256 : str
    covariates : dict
    extent : Extent
    hidden : HiddenError
        How far its roots lie from bridges over hidden parts of them.
    view : FieldOfView or None
        None without a cord.
    measures : (R,) float
        Its values, in the order of the survey's names; empty where none are taken.
    grounds : (R,) uint8
        Codes of what they rest on.
    """

    id: str
    notice: str
    sha256: str
    covariates: dict[str, float | str | None]
    extent: Extent
    hidden: HiddenError
    view: FieldOfView | None
    measures: np.ndarray
    grounds: np.ndarray


@dataclass(frozen=True, slots=True, eq=False)
class Survey:
    """A large dataset, every subject looked at.

    Parameters
    ----------
    listing : FolderListing
    subjects : tuple of SurveyedSubject
        In the order of the listing.
    names : tuple of (level, side, measure)
        Of the measures.
    findings : tuple of Finding
        About the dataset and every subject.
    """

    listing: FolderListing
    subjects: tuple[SurveyedSubject, ...]
    names: Names
    findings: tuple[Finding, ...]

    @property
    def notice(self) -> str:
        """What must be said wherever results show; empty for annotations."""
        notices = [s.notice for s in self.subjects if s.notice]
        if not notices:
            return ""
        texts = "; ".join(dict.fromkeys(notices))
        everybody = len(notices) == len(self.subjects)
        return texts if everybody else f"{len(notices)} of {len(self.subjects)} subjects {texts}"


def survey(
    listing: FolderListing,
    keep: KeptFits,
    workers: Workers,
    *,
    measures: Measures | None = None,
    stage: Stage = quiet,
) -> Survey:
    """Read, check, measure and fit every subject, keeping only numbers.

    Parameters
    ----------
    listing : FolderListing
    keep : KeptFits
        Where fits wait for :func:`place_on_disk`; it says by which scheme.
    workers : Workers
    measures : callable, optional
        As the entry points ``atlas.survey_measures`` are.
    stage : callable
        Told how far it is.

    Returns
    -------
    Survey

    Raises
    ------
    DatasetError
        Any error among the findings; all of them are shown together.
    OutputError
        The disk has no room for the fits.
    """
    folders = listing.folders
    tasks = [(i, folders[i : i + TASK_SUBJECTS]) for i in _firsts(listing)]
    work = partial(_survey_some, keep=keep, measures=measures)
    found: list[SurveyedSubject] = []
    findings = list(listing.findings)
    names: Names = ()
    for (first, _), (subjects, said, measured) in zip(tasks, workers.map(work, tasks), strict=True):
        if subjects and not found:
            left = len(folders) - first - len(subjects)
            keep.expect_room(first, kept=len(subjects), left=left)
        found += subjects
        findings += said
        names = names or measured
        stage(f"reading subjects, {len(found):,} of {len(folders):,}")
    findings += _identical(found)
    return Survey(listing, tuple(found), names, refuse_errors(findings))


def place_on_disk(
    survey: Survey,
    kept: KeptFits,
    workers: Workers,
    path: Path,
    *,
    stage: Stage = quiet,
) -> LandmarkFile:
    """Put a surveyed group into correspondence, onto disk.

    Parameters
    ----------
    survey : Survey
    kept : KeptFits
        Of the survey. Depths of its scheme are found where it has none.
    workers : Workers
    path : Path
        Of the file of landmarks.
    stage : callable

    Returns
    -------
    LandmarkFile
    """
    subjects = survey.subjects
    scheme = scheme_with_extents(kept.scheme, [s.extent for s in subjects])
    roughness = combined_roughness(s.hidden for s in subjects)
    firsts = _firsts(survey.listing)
    work = partial(_place_some, kept=kept, scheme=scheme, roughness=roughness)
    ids = tuple(s.id for s in subjects)
    with new_landmark_file(path, ids, scheme) as write:
        for first, landmarks in zip(firsts, workers.map(work, firsts), strict=True):
            write(first, landmarks)
            stage(f"placing landmarks, {first + len(landmarks.subject_ids):,} of {len(ids):,}")
    return LandmarkFile.open(path)


def _firsts(listing: FolderListing) -> range:
    """Places of the first subjects of the tasks."""
    return range(0, len(listing.folders), TASK_SUBJECTS)


@one_thread()
def _survey_some(
    task: tuple[int, Sequence[SubjectFolder]], *, keep: KeptFits, measures: Measures | None
) -> tuple[list[SurveyedSubject], list[Finding], Names]:
    """What is kept of a few subjects, what was found about them, and the names of measures."""
    first, folders = task
    surveyed: list[SurveyedSubject] = []
    fits: list[FittedSubject] = []
    findings: list[Finding] = []
    names: Names = ()
    around = {f"{name}_around": keep.scheme.block(name).around for name in ("dura", "cord")}
    for folder in folders:
        subject, found = folder.read()
        if subject is not None:
            found = (*found, *subject_findings(Profile.of(subject)))
        findings += found
        # One that is refused has no measures: its errors are said with all the others.
        if subject is None or any(f.severity is Severity.ERROR for f in found):
            continue
        own, values, grounds = measures(subject_anatomy(subject)) if measures else NOTHING
        names = names or own
        fits.append(fit_subject(subject, **around))
        surveyed.append(_surveyed(fits[-1], values, grounds))
    if fits:
        keep.write(first, fits)
    return surveyed, findings, names


NOTHING: tuple[Names, np.ndarray, np.ndarray] = ((), np.empty(0), np.empty(0, dtype=np.uint8))


def _surveyed(fitted: FittedSubject, values: np.ndarray, grounds: np.ndarray) -> SurveyedSubject:
    subject = fitted.subject
    return SurveyedSubject(
        id=subject.id,
        notice=subject.source.notice,
        sha256=subject.source.sha256,
        covariates=dict(subject.covariates),
        extent=Extent.of(fitted),
        hidden=subject_hidden_error(fitted),
        view=field_of_view(subject) if subject.cord else None,
        measures=values,
        grounds=grounds,
    )


@one_thread()
def _place_some(
    first: int, *, kept: KeptFits, scheme: LandmarkScheme, roughness: float
) -> LandmarkSet:
    fits = kept.read(first)
    placed = [place_subject(fitted, scheme, roughness) for fitted in fits]
    points, status, spread = (np.stack(part) for part in zip(*placed, strict=True))
    return LandmarkSet(tuple(f.subject.id for f in fits), scheme, points, status, spread)


def _identical(subjects: Iterable[SurveyedSubject]) -> list[Finding]:
    """Subjects with the very same files; nearly equal ones are looked for in small groups only."""
    by_files: dict[str, list[str]] = defaultdict(list)
    for subject in subjects:
        by_files[subject.sha256].append(subject.id)
    return [
        Finding(
            Severity.ERROR,
            "duplicate-subject",
            other,
            "",
            f"expected a person of its own, got the same files as {ids[0]}: leave one of the two "
            "out",
        )
        for ids in by_files.values()
        for other in ids[1:]
    ]
