"""The page of commands: every example runs, in the order it stands there."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from atlas.cli import app

PAGE = Path(__file__).parents[2] / "docs" / "commands.md"
EXAMPLES = re.findall(r"^```sh\n(.*?)^```", PAGE.read_text("utf-8"), re.MULTILINE | re.DOTALL)
LINES = [line for block in EXAMPLES for line in block.splitlines()]


def test_every_command_has_an_example():
    named = {command.name or command.callback.__name__ for command in app.registered_commands}
    shown = {line.split()[1] for line in LINES}
    assert named - shown <= {"fetch", "compare", "overlay"}


@pytest.mark.slow
def test_every_example_runs(tmp_path):
    # The program of this environment, whatever else is on the path.
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    for line in LINES:
        done = subprocess.run(
            line,
            shell=True,
            cwd=tmp_path,
            env=os.environ | {"PATH": path},
            capture_output=True,
            text=True,
            check=False,
        )
        # `atlas check` of the built-in cohort has findings, as real annotations have.
        assert done.returncode in ((0, 1) if " check " in line else (0,)), f"{line}\n{done.stderr}"
