"""The command ``atlas``: parses and prints, computes nothing.

A module a command; importing it registers it with the application.
"""

from atlas.cli.app import app

# The order here is the order of `atlas --help`.
from atlas.cli import (  # isort: skip
    check,
    build,
    show,
    predict,
    evaluate,
    tables,
    mesh,
    sample,
    report,
    export,
    demo,
)

__all__ = [
    "app",
    "build",
    "check",
    "demo",
    "evaluate",
    "export",
    "mesh",
    "predict",
    "report",
    "sample",
    "show",
    "tables",
]
