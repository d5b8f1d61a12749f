"""Workers of a pool: none outlives the process that started it, however that one goes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from atlas.errors import MachineError
from atlas.pools import worker_pool

pytestmark = pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="POSIX signals")
ROOT = Path(__file__).resolve().parents[2]
PATIENCE_S = 60
# Two workers at work; what becomes of this process is somebody else's to decide.
PARENT = """
from atlas.pools import worker_pool
import test_pools
if __name__ == "__main__":
    with worker_pool(2, advice="take fewer") as pool:
        tasks = [pool.submit(test_pools.work_long) for _ in range(2)]
        [task.result() for task in tasks]
"""


def own_id() -> int:
    return os.getpid()


def work_long() -> None:
    os.write(1, f"{os.getpid()}\n".encode())
    time.sleep(300)


def end_at_once() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def answer_to_ctrl_c() -> tuple[bool, set[signal.Signals]]:
    ignored = signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    return ignored, signal.pthread_sigmask(signal.SIG_BLOCK, ())


def is_alive(process: int) -> bool:
    try:
        state = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


def wait_until_gone(processes: list[int]) -> None:
    until = time.monotonic() + PATIENCE_S
    while any(map(is_alive, processes)):
        assert time.monotonic() < until, "workers live on"
        time.sleep(0.05)


@pytest.fixture
def parent(tmp_path):
    script = tmp_path / "parent.py"
    script.write_text(PARENT)
    env = os.environ | {"PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'tests' / 'house'}"}
    with subprocess.Popen(
        [sys.executable, str(script)], stdout=subprocess.PIPE, text=True, env=env
    ) as started:
        yield started
        started.kill()


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="reads /proc")
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_workers_end_when_their_parent_is_killed(number, parent):
    workers = [int(parent.stdout.readline()) for _ in range(2)]
    assert all(map(is_alive, workers))
    parent.send_signal(number)
    parent.wait(PATIENCE_S)
    wait_until_gone(workers)


def test_workers_end_when_their_parent_leaves_by_an_error_and_nobody_waits_for_them():
    begun = time.monotonic()

    def leave():
        with worker_pool(2, advice="take fewer") as pool:
            workers = pool.submit(own_id).result()
            pool.submit(work_long)
            raise KeyError(workers)

    with pytest.raises(KeyError) as left:
        leave()
    wait_until_gone([left.value.args[0]])
    assert time.monotonic() - begun < PATIENCE_S


def test_a_worker_that_is_ended_is_the_machines_failure_and_says_what_to_do():
    def lose_one():
        with worker_pool(2, advice="take fewer") as pool:
            pool.submit(end_at_once).result()

    with pytest.raises(MachineError, match=r"2 processes until the end, got one .*; take fewer"):
        lose_one()


def test_workers_leave_ctrl_c_to_their_parent_and_hold_no_other_signal():
    with worker_pool(1, advice="") as pool:
        ignored, held = pool.submit(answer_to_ctrl_c).result()
    assert ignored
    assert not {signal.SIGTERM, signal.SIGINT} & held
