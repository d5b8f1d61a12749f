"""What is published of the dataset, under which names a person asks for it, and how to cite it.

Liu J, Zhang W, Zhou Y, Xu L, Chu Y-H, Jia F 2024, doi:10.6084/m9.figshare.c.7372564.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from atlas.data.layout import SUBJECT, subject_id
from atlas.data.remote.retry import FetchError

CITE = (
    "Liu J, Zhang W, Zhou Y, Xu L, Chu Y-H, Jia F. An open-access lumbosacral spine MRI dataset "
    "with enhanced spinal nerve root structure resolution. Sci Data 11, 1131 (2024), "
    "doi 10.1038/s41597-024-03919-4"
)
DERIVED, RAW, DESCRIPTION, README = 26403442, 26403595, 26403565, 26403262


@dataclass(frozen=True, slots=True)
class Published:
    """One published file.

    Parameters
    ----------
    what : str
        What a person asks for.
    article : int
        Number of the figshare article.
    name : str
        Name of the file there.
    folder : str
        Where an archive's files go; empty for a file that is none.
    only : str
        The only member wanted of an archive; empty for all.
    by_subject : bool
        Whether it holds a folder a subject.
    """

    what: str
    article: int
    name: str
    folder: str = ""
    only: str = ""
    by_subject: bool = False


CATALOGUE = (
    Published("markers", DERIVED, "markers.zip", "markers", by_subject=True),
    Published("participants", RAW, "rawdata.zip", "rawdata", only="participants.tsv"),
    Published("quality", DERIVED, "anatqc.zip", "anatqc"),
    Published("quality", DERIVED, "inter-annotators variability.xlsx"),
    Published("models", DERIVED, "model.zip", "model", by_subject=True),
    Published("images", RAW, "rawdata.zip", "rawdata", by_subject=True),
    Published("description", DESCRIPTION, "dataset_description.json"),
    Published("description", README, "README"),
)
KINDS = tuple(dict.fromkeys(p.what for p in CATALOGUE))


def published(what: Iterable[str], *, whole: bool = True) -> tuple[Published, ...]:
    """The files of what a person asks for, in the order of the catalogue.

    Parameters
    ----------
    what : iterable of str
        Of ``KINDS``, or ``all``.
    whole : bool
        Whether all subjects are wanted: the images then hold the participants.

    Raises
    ------
    FetchError
        Nothing of that name is published.
    """
    asked = {word.strip().lower() for word in what} - {""}
    unknown = sorted(asked - {*KINDS, "all"})
    if unknown or not asked:
        raise FetchError(
            f"--what: expected some of {', '.join(KINDS)}, or all, got {', '.join(unknown) or '–'}"
        )
    if "all" in asked:
        asked = set(KINDS)
    if whole and "images" in asked:
        asked.discard("participants")
    return tuple(p for p in CATALOGUE if p.what in asked)


def wanted_subjects(names: Iterable[str]) -> frozenset[str]:
    """Subjects as the archives name them: ``sub03`` is ``sub-03``; FetchError if it is none."""
    given = [name.strip() for name in names if name.strip()]
    wrong = [name for name in given if not SUBJECT.match(name)]
    if wrong:
        raise FetchError(f"--subjects: expected names like sub-03, got {', '.join(wrong)}")
    return frozenset(subject_id(name) for name in given)
