"""The command ``atlas``: parses and prints, computes nothing.

A module a command; importing it registers it with the application.
"""

from atlas.cli.app import app

# The order here is the order of `atlas --help`.
from atlas.cli import check, build, show, predict, evaluate, export, demo  # isort: skip

__all__ = ["app", "build", "check", "demo", "evaluate", "export", "predict", "show"]
