import pytest

from atlas.cli.fetch import fetch
from atlas.data.remote.catalogue import CATALOGUE, KINDS, published, wanted_subjects
from atlas.data.remote.retry import FetchError


def names(*what, **options):
    return [(p.what, p.name) for p in published(what, **options)]


def test_what_is_asked_for_comes_in_the_order_of_the_catalogue():
    assert names("participants", " Markers ") == [
        ("markers", "markers.zip"),
        ("participants", "rawdata.zip"),
    ]
    assert names("quality") == [
        ("quality", "anatqc.zip"),
        ("quality", "inter-annotators variability.xlsx"),
    ]


def test_all_images_hold_the_participants():
    assert "participants" not in dict(names("all"))
    assert len(names("all")) == len(CATALOGUE) - 1
    assert "participants" in dict(names("participants", "images", whole=False))


@pytest.mark.parametrize("what", [["marker"], [], [""]])
def test_what_is_not_published_is_refused_with_what_is(what):
    with pytest.raises(FetchError, match=r"^--what: expected some of markers, participants, qual"):
        published(what)


def test_subjects_are_named_as_the_archives_name_them():
    assert wanted_subjects(["sub03", " sub_14", "", "sub-03"]) == {"sub-03", "sub-14"}
    with pytest.raises(FetchError, match=r"--subjects: expected names like sub-03, got ../x, 3"):
        wanted_subjects(["../x", "3"])


def test_the_default_of_the_command_is_the_catalogues():
    assert set(fetch.__defaults__[1].split(",")) <= set(KINDS)
