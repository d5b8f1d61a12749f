import io
import zipfile

import pytest
from figshare_server import zip_bytes

from atlas.data.figshare import RemoteFile
from atlas.data.remote.catalogue import CATALOGUE
from atlas.data.remote.extraction import ArchiveError, Limits
from atlas.data.remote.members import check_found, members, selected
from atlas.data.remote.retry import FetchError

MARKERS, PARTICIPANTS = CATALOGUE[:2]
FILE = RemoteFile(1, "markers.zip", 1, "http://x", "0" * 32)
PATHS = [
    "rawdata/participants.tsv",
    "rawdata/sub-01/anat/a.nii.gz",
    "rawdata/sub-02/participants.tsv",
]


def placed(*names):
    with zipfile.ZipFile(io.BytesIO(zip_bytes(dict.fromkeys(names, b"")))) as archive:
        return list(members(archive, MARKERS, FILE, Limits()))


@pytest.mark.parametrize(
    "name",
    ["markers/sub-01/a.json", "derivatives/markers/sub-01/a.json", "sub-01/a.json"],
)
def test_whatever_stands_above_files_go_below_the_items_folder(name):
    assert placed(name) == ["markers/sub-01/a.json"]


def test_two_members_of_one_place_are_refused():
    with pytest.raises(ArchiveError, match=r"two members would become markers/a.json"):
        placed("a.json", "markers/a.json")


def test_a_choice_is_by_subject_or_one_member_or_all():
    assert list(selected(PATHS, PARTICIPANTS, frozenset())) == PATHS[:1]
    assert list(selected(PATHS, MARKERS, frozenset())) == PATHS
    assert list(selected(PATHS, MARKERS, {"sub-02"})) == PATHS[2:]


def test_a_choice_without_anything_is_refused_by_what_it_lacks():
    check_found(selected(PATHS, MARKERS, {"sub-01"}), MARKERS, {"sub-01"})
    chosen = selected(PATHS, MARKERS, {"sub-01", "sub-09"})
    with pytest.raises(FetchError, match=r"^markers.zip: expected sub-09 in it, got none"):
        check_found(chosen, MARKERS, {"sub-01", "sub-09"})
    with pytest.raises(FetchError, match=r"expected participants.tsv in it, got none"):
        check_found({}, PARTICIPANTS, frozenset())
