"""How images were acquired: a chosen few fields of their sidecars, into the provenance."""

from __future__ import annotations

import numpy as np
import phantom_images
import pytest
import specimens

from atlas.data.dataset import read_dataset
from atlas.data.image_parameters import UNITS, image_parameters
from atlas.provenance import Inputs, provenance

SIDECAR = {
    "Manufacturer": "UIH",
    "magneticfieldstrength": 3,
    "RepetitionTime": 0.0055,
    "EchoTime": 0.0023,
    "FlipAngle": 50,
    "SliceThickness": 2.0,
    "ProtocolName": "ciss3d",
    "PatientName": "somebody",
    "EchoTimes": [1, 2],
}


def with_sidecar(folder, content, *, name="sub-01_CISS"):
    path = folder / "rawdata" / "sub-01" / "anat" / f"{name}.nii.gz"
    phantom_images.write_image(path, np.zeros((2, 2, 2), dtype=np.int16), np.eye(4))
    if isinstance(content, str):
        path.with_name(f"{name}.json").write_text(content)
    elif content is not None:
        phantom_images.write_image(
            path, np.zeros((2, 2, 2), dtype=np.int16), np.eye(4), sidecar=content
        )


def test_the_chosen_fields_are_kept_as_given_and_no_other(tmp_path):
    with_sidecar(tmp_path, SIDECAR)
    found = image_parameters(tmp_path, ("sub-01", "sub-02"))
    assert found["subjects"] == {
        "sub-01": {
            "CISS": {
                "SequenceName": "ciss3d",
                "RepetitionTime": 0.0055,
                "EchoTime": 0.0023,
                "FlipAngle": 50,
                "SliceThickness": 2.0,
                "Manufacturer": "UIH",
                "MagneticFieldStrength": 3,
            }
        }
    }
    assert found["units"] == {k: u for k, u in UNITS.items() if u}


@pytest.mark.parametrize(
    "content",
    ["no json", "[1, 2]", '{"EchoTime": NaN}', "[" * 3000, '{"a": 1, "a": 2}', '{"a": 1, "A": 2}'],
)
def test_a_sidecar_that_is_no_json_object_is_named(tmp_path, content):
    with_sidecar(tmp_path, content)
    found = image_parameters(tmp_path, ("sub-01",))
    assert list(found) == ["unreadable"]
    assert list(found["unreadable"]) == ["rawdata/sub-01/anat/sub-01_CISS.json"]
    assert "expected" in found["unreadable"]["rawdata/sub-01/anat/sub-01_CISS.json"]


@pytest.mark.parametrize("content", [None, "{}", '{"EchoTime": [1]}', '{"EchoTime": 1e300}'])
def test_a_sidecar_that_says_nothing_of_use_says_nothing(tmp_path, content):
    with_sidecar(tmp_path, content)
    assert image_parameters(tmp_path, ("sub-01",)) == {}


def test_a_dataset_that_is_no_folder_has_no_images(tmp_path, monkeypatch):
    with_sidecar(tmp_path, SIDECAR)
    monkeypatch.chdir(tmp_path)
    assert image_parameters("specimens", ("sub-01",)) == {}


def test_parameters_reach_the_provenance(tmp_path):
    specimens.write_subject(tmp_path / "markers", specimens.make_small_subject())
    with_sidecar(tmp_path, SIDECAR)
    for place in (tmp_path, tmp_path / "markers"):
        found = provenance(Inputs.of(read_dataset(place)), (), anchor="dura-apex", seed=None)
        assert found["images"]["subjects"]["sub-01"]["CISS"]["EchoTime"] == 0.0023
