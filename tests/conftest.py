"""Fixtures of the whole suite; what they are made of stands in ``specimens.py``."""

from __future__ import annotations

from pathlib import Path

import pytest
import specimens

from atlas.data.dataset import read_dataset
from atlas.data.subject import Subject

SHARED = Path(__file__).resolve().parents[2] / "shared"


def pytest_runtest_setup(item: pytest.Item) -> None:
    if item.get_closest_marker("shared") and not (SHARED / "data" / "sub-03").is_dir():
        pytest.skip(f"needs the real subject in {SHARED}, which is not part of this project")


@pytest.fixture(scope="session")
def shared_folder() -> Path:
    """Data that is not part of this project; only for tests marked ``shared``."""
    return SHARED


@pytest.fixture(scope="session")
def real_subject(shared_folder: Path) -> Subject:
    """sub-03 of Liu et al. 2024 (CC BY 4.0); only for tests marked ``shared``."""
    return read_dataset(shared_folder / "data" / "sub-03").subjects[0]


@pytest.fixture(scope="session")
def subject() -> Subject:
    """A whole analytic subject without noise."""
    return specimens.make_subject()


@pytest.fixture(scope="session")
def small_subject() -> Subject:
    """A short analytic subject, quick to write and read."""
    return specimens.make_small_subject()
