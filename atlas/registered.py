"""What others registered for a command: `analysis` stands on `atlas`, which cannot import it."""

from __future__ import annotations

from importlib.metadata import EntryPoint, entry_points


def registered(group: str) -> list[EntryPoint]:
    """The entry points of a group, by name; empty where nobody registered."""
    return sorted(entry_points(group=group), key=lambda entry: entry.name)
