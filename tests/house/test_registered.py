"""What is registered for a command is found by its group, in the order of names."""

from importlib.metadata import EntryPoint

import atlas.registered
from atlas.registered import registered


def test_entries_come_in_the_order_of_their_names(monkeypatch):
    entries = [EntryPoint(name, f"place:{name}", "group") for name in ("b", "c", "a")]
    monkeypatch.setattr(atlas.registered, "entry_points", lambda *, group: list(entries))
    assert [entry.name for entry in registered("group")] == ["a", "b", "c"]


def test_a_group_nobody_knows_is_empty():
    assert registered("atlas.nothing") == []


def test_every_group_of_the_package_is_registered():
    groups = (
        "products",
        "products_beside",
        "evaluations",
        "tables",
        "reports",
        "measures",
        "check_reports",
    )
    for group in (*groups, "overlays"):
        assert registered(f"atlas.{group}"), group
