"""Who is compared, and an environment for each: pinned, made once, kept under one folder."""

from __future__ import annotations

import hashlib
import importlib.util
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

RUNNERS = Path(__file__).parent / "peers_runners"
REFERENCE = "numpy limit"
THIS_PACKAGE = "this package"


@dataclass(frozen=True)
class Peer:
    """A library and how it is run.

    Parameters
    ----------
    name : str
        As the table has it.
    runner : str
        File among the runners.
    requirements : tuple of str
        Pinned; what pip puts into its environment.  Empty: the environment of this package.
    module : str
        What must be importable for it to run without an environment of its own.
    r_package : str
        For a package of R; it is run as installed.
    """

    name: str
    runner: str
    requirements: tuple[str, ...] = ()
    module: str = "numpy"
    r_package: str = ""

    @property
    def key(self) -> str:
        """Name of its environment: another as soon as a pin or the interpreter is."""
        text = "\n".join((*self.requirements, sys.version))
        digest = hashlib.sha256(text.encode()).hexdigest()[:8]
        return f"{self.requirements[0].partition('==')[0]}-{digest}"


class AbsentError(Exception):
    """A peer that is not there; the text says why, and stands in its row."""


_NUMPY, _SCIPY = "numpy==2.4.6", "scipy==1.17.1"
_MENPO = ("menpo==0.11.1", _NUMPY, _SCIPY, "matplotlib==3.11.2", "pillow==12.3.0")
_SCIKIT_LEARN = "scikit-learn==1.9.1"

PEERS = (
    Peer(REFERENCE, "numpy_runner.py"),
    Peer(THIS_PACKAGE, "this_package_runner.py"),
    Peer("menpo", "menpo_runner.py", _MENPO, "menpo"),
    Peer("menpo (scaling)", "menpo_scaling_runner.py", _MENPO, "menpo"),
    Peer("ktch", "ktch_runner.py", ("ktch==0.11.1", _NUMPY, _SCIPY, _SCIKIT_LEARN), "ktch"),
    Peer(
        "geomstats",
        "geomstats_runner.py",
        ("geomstats==2.8.0", "numpy==2.3.5", _SCIPY, _SCIKIT_LEARN),
        "geomstats",
    ),
    Peer(
        "qc-procrustes",
        "qc_procrustes_runner.py",
        ("qc-procrustes==1.1.3", _NUMPY, _SCIPY),
        "procrustes",
    ),
    Peer("scikit-learn", "scikit_learn_runner.py", (_SCIKIT_LEARN, _NUMPY, _SCIPY), "sklearn"),
    Peer("R shapes", "r_runner.R", r_package="shapes"),
    Peer("R Morpho", "r_runner.R", r_package="Morpho"),
    Peer("R geomorph", "r_runner.R", r_package="geomorph"),
)


def command(peer: Peer, environments: Path | None) -> list[str]:
    """How to start a peer's runner, its environment made if need be; the group's folder follows.

    Without ``environments`` only what this interpreter can import is run.

    Raises
    ------
    AbsentError
        It cannot be run; the text says why.
    """
    runner = str(RUNNERS / peer.runner)
    if peer.r_package:
        return _r_command(peer, runner, environments)
    if not peer.requirements:
        return [sys.executable, runner]
    if environments is not None:
        return [str(interpreter(peer, environments)), runner]
    if importlib.util.find_spec(peer.module) is None:
        raise AbsentError(
            "not installed here, and environments of their own are not made when quick"
        )
    return [sys.executable, runner]


def interpreter(peer: Peer, environments: Path) -> Path:
    """Python of a peer's environment, which is made when it is not there yet."""
    folder = environments.resolve() / peer.key
    python, ready = folder / "bin" / "python", folder / "ready"
    if ready.exists():
        return python
    print(f"{peer.name}: making {folder}", file=sys.stderr, flush=True)
    shutil.rmtree(folder, ignore_errors=True)
    _run([sys.executable, "-m", "venv", str(folder)], "no environment could be made")
    _run(
        [str(python), "-m", "pip", "install", "--quiet", *peer.requirements],
        f"pip could not install {peer.requirements[0]}",
    )
    ready.write_text("\n".join(peer.requirements) + "\n", "utf-8")
    return python


def _r_command(peer: Peer, runner: str, environments: Path | None) -> list[str]:
    if environments is None:
        raise AbsentError("R is left out when quick")
    if shutil.which("Rscript") is None:
        raise AbsentError("R is not installed")
    for package in ("jsonlite", peer.r_package):
        check = f"quit(status = !requireNamespace('{package}', quietly = TRUE))"
        if subprocess.run(["Rscript", "-e", check], capture_output=True, check=False).returncode:
            raise AbsentError(f"R is installed, its package {package} is not")
    return ["Rscript", "--vanilla", runner]


def _run(arguments: list[str], failure: str) -> None:
    done = subprocess.run(arguments, capture_output=True, text=True, check=False)
    if done.returncode:
        said = [line for line in done.stderr.splitlines() if line.strip()]
        raise AbsentError(f"{failure}: {said[-1] if said else 'no reason given'}")
