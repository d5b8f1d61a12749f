"""The command ``atlas``: parses and prints, computes nothing.

A module a command; importing it registers it with the application.
"""

from atlas.cli.app import app

# The order here is the order of `atlas --help`.
from atlas.cli import (  # isort: skip
    fetch,
    check,
    overlay,
    build,
    show,
    predict,
    evaluate,
    compare,
    tables,
    mesh,
    sample,
    view,
    report,
    export,
    demo,
)

__all__ = [
    "app",
    "build",
    "check",
    "compare",
    "demo",
    "evaluate",
    "export",
    "fetch",
    "mesh",
    "overlay",
    "predict",
    "report",
    "sample",
    "show",
    "tables",
    "view",
]
