"""Commands run in forks of one process that has all loaded, with a fault at a moment of their own.

Run as a program it is that process; :class:`Injector` talks to it.  A moment is the n-th thing that
a command asks of the file system at the place of its result, or among temporary files, that
would change something there.
"""

from __future__ import annotations

import errno
import json
import os
import resource
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
ERRORS = ("ENOSPC", "EACCES", "EIO", "EROFS")
SIGNALS = ("SIGKILL", "SIGTERM", "SIGINT")
# From there on no file grows; what was written to it before stays.
FULL = "full"
FAULTS = (*ERRORS, FULL, *SIGNALS)
CHANGES = {
    "os.mkdir": (0, 2),
    "os.rename": (0, 2),
    "os.link": (1, 3),
    "os.symlink": (1, 2),
    "os.remove": (0, 1),
    "os.rmdir": (0, 1),
    "os.chmod": (0, 2),
    "os.truncate": (0, None),
}
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT
# What ends by itself with its parent may take as long.
GRACE_S = 10.0


@dataclass(frozen=True, slots=True)
class Ended:
    """How a command ended.

    Parameters
    ----------
    code : int
        Its exit code; negative: the signal that ended it.
    moments : int
        Things asked of the file system.
    errors : str
        What it said on standard error.
    alive : int
        Processes of it that were there still.
    what : str
        What the fault met.
    """

    code: int
    moments: int
    errors: str
    alive: int
    what: str


class Injector:
    """The process that forks; use it as a context."""

    def __init__(self, under: Path) -> None:
        self.under = under

    def __enter__(self) -> Injector:
        (self.under / "tmp").mkdir(parents=True, exist_ok=True)
        more = {
            "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'tests'}",
            "SOURCE_DATE_EPOCH": "1700000000",
            "OPENBLAS_NUM_THREADS": "1",
            "TMPDIR": str(self.under / "tmp"),
            "PYTHONDONTWRITEBYTECODE": "1",
        }
        self.process = subprocess.Popen(
            [sys.executable, __file__, str(self.under)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | more,
        )
        return self

    def __exit__(self, *error: object) -> None:
        self.process.communicate(timeout=60)

    def run(
        self,
        *args: object,
        moment: int = 0,
        fault: str = "",
        plain: bool = False,
        **variables: str,
    ) -> Ended:
        """Run a command, with a fault at its n-th moment; 0 for none.

        A plain build makes neither tables nor figures, which take longest.
        """
        asked = {
            "args": [*map(str, args)],
            "moment": moment,
            "fault": fault,
            "plain": plain,
            "env": variables,
        }
        self.process.stdin.write(json.dumps(asked) + "\n")
        self.process.stdin.flush()
        return Ended(**json.loads(self.process.stdout.readline()))


class Fault:
    """Counts what is asked of the file system, and fails or ends the process at one of them."""

    def __init__(self, under: str, moment: int, fault: str) -> None:
        self.under, self.moment, self.fault = under, moment, fault
        self.count, self.what = 0, ""
        self.process = os.getpid()

    def __call__(self, event: str, args: tuple[Any, ...]) -> None:
        """An audit hook."""
        place = self._place(event, args)
        if place is None or os.getpid() != self.process:
            return
        self.count += 1
        if self.count != self.moment:
            return
        self.what = f"{event} {place}"
        if self.fault in ERRORS:
            number = getattr(errno, self.fault)
            raise OSError(number, os.strerror(number), place)
        if self.fault == FULL:
            resource.setrlimit(resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))
        else:
            os.kill(self.process, getattr(signal, self.fault))

    def _place(self, event: str, args: tuple[Any, ...]) -> str | None:
        if event == "open":
            name, folder = (args[0] if args[2] & WRITING else None), None
        elif event in CHANGES:
            at, folder_at = CHANGES[event]
            name, folder = args[at], args[folder_at] if folder_at is not None else None
        elif event == "ctypes.dlsym" and args[1] == "renameat2":
            return "the exchange of two folders"
        else:
            return None
        if not isinstance(name, (str, bytes)):
            return None
        path = os.fsdecode(name)
        if folder is not None and folder != -1 and not path.startswith("/"):
            path = f"{Path(f'/proc/self/fd/{folder}').readlink()}/{path}"
        return path if os.path.abspath(path).startswith(self.under) else None  # noqa: PTH100


def load_everything() -> None:
    """What commands import, so that a fork begins at once."""
    import importlib
    import pkgutil

    import analysis
    import atlas

    for package in (atlas, analysis):
        for found in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if not found.name.endswith("__main__"):
                importlib.import_module(found.name)


def run_here(asked: dict[str, Any], under: str, report: int) -> None:
    """Run a command in this process, and end it."""
    import tempfile

    from atlas.cli import app

    os.environ.update(asked["env"])
    if asked["plain"]:
        import atlas.build as chain

        chain.PRODUCTS = chain.PRODUCTS_BESIDE = chain.LARGE_PRODUCTS = "none"
    tempfile.tempdir = None
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, 0)
    os.dup2(null, 1)
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    fault = Fault(under, asked["moment"], asked["fault"])
    sys.addaudithook(fault)
    code: object = 0
    try:
        app(asked["args"], prog_name="atlas")
    except SystemExit as end:
        code = end.code
    sys.stderr.flush()
    os.write(report, json.dumps([fault.count, fault.what]).encode())
    os._exit(code if isinstance(code, int) else 0)


def serve(under: str) -> None:
    """Run what is asked for, line by line."""
    load_everything()
    for line in sys.stdin:
        asked = json.loads(line)
        (said, errors), (told, report) = os.pipe(), os.pipe()
        child = os.fork()
        if not child:
            os.setsid()
            os.dup2(errors, 2)
            for end in (said, told, errors):
                os.close(end)
            run_here(asked, under, report)
        os.close(errors)
        os.close(report)
        text = _all_of(said, child)
        _, status = os.waitpid(child, 0)
        alive = _still_alive(child)
        count, what = json.loads(os.read(told, 10_000) or b'[0, ""]')
        os.close(told)
        os.close(said)
        code = os.waitstatus_to_exitcode(status)
        answer = {"code": code, "moments": count, "errors": text, "alive": alive, "what": what}
        print(json.dumps(answer), flush=True)


def _all_of(said: int, child: int) -> str:
    """What a process says, until it ends; those it leaves behind hold the pipe open."""
    found, ended = b"", False
    os.set_blocking(said, False)
    while True:
        try:
            piece = os.read(said, 1 << 16)
        except BlockingIOError:
            if ended:
                break
            time.sleep(0.005)
            ended = os.waitid(os.P_PID, child, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
            continue
        if not piece:
            break
        found += piece
    return found.decode("utf-8", "replace")


def _still_alive(session: int) -> int:
    """How many processes of a session outlive it by more than a grace; they are ended then."""
    until = time.monotonic() + GRACE_S
    while (left := _members(session)) and time.monotonic() < until:
        time.sleep(0.02)
    for process in left:
        os.kill(process, signal.SIGKILL)
    return len(left)


def _members(session: int) -> list[int]:
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            state, _, _, own = (folder / "stat").read_text().rpartition(")")[2].split()[:4]
        except (OSError, ValueError):
            continue
        if int(own) == session and state not in "ZX":
            found.append(int(folder.name))
    return found


if __name__ == "__main__":
    serve(sys.argv[1])
