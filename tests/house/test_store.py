"""One HDF5 file: everything comes back to the bit, and what is not an atlas is refused."""

from dataclasses import replace

import h5py
import numpy as np
import pytest
import specimens

from atlas.build import build_atlas
from atlas.store import AtlasFileError, Settings, load_atlas, save_atlas

SETTINGS = Settings(origin="conus", root=7, dura=(9, 8), cord=(6, 8))


@pytest.fixture(scope="module")
def built():
    return build_atlas(specimens.make_dataset(4), SETTINGS, seed=3)


def test_an_atlas_comes_back_to_the_bit(built, tmp_path):
    again = load_atlas(save_atlas(built, tmp_path / "model.h5"))
    assert again.settings == built.settings
    assert again.model.scheme == built.model.scheme
    assert dict(again.provenance) == dict(built.provenance)
    for part in ("model", "alignment"):
        ours, theirs = getattr(built, part), getattr(again, part)
        for name in ours.__dataclass_fields__:
            before, after = getattr(ours, name), getattr(theirs, name)
            if isinstance(before, np.ndarray):
                np.testing.assert_array_equal(after, before)
                assert after.dtype == before.dtype
                assert not after.flags.writeable
            elif name not in ("landmarks", "scheme"):
                assert after == before
    assert again.alignment.landmarks.subject_ids == built.alignment.landmarks.subject_ids
    np.testing.assert_array_equal(
        again.alignment.landmarks.points, built.alignment.landmarks.points
    )
    np.testing.assert_array_equal(
        again.alignment.landmarks.status, built.alignment.landmarks.status
    )


def test_a_model_with_uneven_noise_comes_back_to_the_bit(built, tmp_path):
    share = np.linspace(0.1, 1, built.model.scheme.size)
    uneven = replace(built, model=replace(built.model, noise=0.3, noise_share=share))
    again = load_atlas(save_atlas(uneven, tmp_path / "model.h5"))
    np.testing.assert_array_equal(again.model.noise_share, share)
    assert again.model.noise == 0.3


def test_names_that_the_scheme_does_not_have_are_refused(built, tmp_path):
    path = save_atlas(built, tmp_path / "model.h5")
    with h5py.File(path, "r+") as file:
        names = file["atlas/names"][()].decode().replace("dura/0/0", "dura/0/9")
        del file["atlas/names"]
        file["atlas/names"] = names
    with pytest.raises(AtlasFileError, match="landmark names that its scheme does not have"):
        load_atlas(path)


def test_the_same_atlas_gives_the_same_bytes(built, tmp_path):
    first = save_atlas(built, tmp_path / "a.h5").read_bytes()
    assert save_atlas(built, tmp_path / "b.h5").read_bytes() == first
    again = load_atlas(tmp_path / "a.h5")
    assert save_atlas(again, tmp_path / "c.h5").read_bytes() == first


def test_the_folder_of_a_build_stands_for_its_model(built, tmp_path):
    save_atlas(built, tmp_path / "model.h5")
    assert load_atlas(tmp_path).model.n_subjects == 4


def test_a_failed_write_leaves_the_last_good_file(built, tmp_path, monkeypatch):
    path = save_atlas(built, tmp_path / "model.h5")
    good = path.read_bytes()
    monkeypatch.setattr(
        "atlas.store._write_array", lambda *_: (_ for _ in ()).throw(OSError("full"))
    )
    with pytest.raises(OSError, match="full"):
        save_atlas(built, path)
    assert path.read_bytes() == good
    assert list(tmp_path.iterdir()) == [path]


def test_what_is_not_an_atlas_is_refused_with_its_path(tmp_path, built):
    with pytest.raises(AtlasFileError, match=r"gone\.h5: expected an atlas.*got nothing there"):
        load_atlas(tmp_path / "gone.h5")
    text = tmp_path / "text.h5"
    text.write_text("hello")
    with pytest.raises(AtlasFileError, match=r"text\.h5: expected an atlas of format 2"):
        load_atlas(text)
    other = tmp_path / "other.h5"
    with h5py.File(other, "w") as file:
        file["x"] = 1
    with pytest.raises(AtlasFileError, match=r"other\.h5: expected an atlas of format 2"):
        load_atlas(other)
    future = save_atlas(built, tmp_path / "future.h5")
    with h5py.File(future, "r+") as file:
        file["atlas"].attrs["format"] = 99
    with pytest.raises(AtlasFileError, match="format 99; build it again"):
        load_atlas(future)


def test_settings_describe_the_scheme():
    scheme = SETTINGS.scheme
    assert scheme.origin == "conus"
    assert scheme.size == 9 * 8 + 6 * 8 + 14 * 7
    assert scheme.extent == "common"
