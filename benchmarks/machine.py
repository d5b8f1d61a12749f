"""The machine a benchmark ran on, and the memory a process held at most."""

from __future__ import annotations

import os
import platform
import resource
import sys
from pathlib import Path
from typing import Any

import numpy as np

KIBIBYTES_TO_MIB = 1 / 1024


def machine() -> dict[str, Any]:
    """Processor, cores, system and the numerical libraries of this interpreter."""
    return {
        "processor": processor(),
        "cores": os.cpu_count(),
        "cores_usable": usable_cores(),
        "memory_gib": round(total_memory_mib() / 1024, 1),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "numpy": np.__version__,
        "blas": blas(),
        "load_average_1_min": round(os.getloadavg()[0], 2),
    }


def processor() -> str:
    """Name of the processor model, or of the architecture where the system does not tell."""
    information = Path("/proc/cpuinfo")
    if information.exists():
        for line in information.read_text("utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def usable_cores() -> int | None:
    """Cores this process may run on; a container may allow fewer than there are."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count()


def total_memory_mib() -> float:
    """Memory of the machine, MiB."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**20


def blas() -> str:
    """Linear algebra library numpy was built with, and its version."""
    built: Any = np.show_config(mode="dicts")
    used = built["Build Dependencies"]["blas"]
    return f"{used['name']} {used['version']}"


def peak_memory_mib(pid: int | None = None) -> float:
    """Most resident memory of a process since it began or since :func:`forget_peak_memory`, MiB.

    ``pid`` is this process by default; of another one it needs /proc and is NaN without.
    """
    status = Path(f"/proc/{pid or os.getpid()}/status")
    if status.exists():
        for line in status.read_text("utf-8").splitlines():
            if line.startswith("VmHWM:"):
                return float(line.split()[1]) * KIBIBYTES_TO_MIB
    if pid is not None and pid != os.getpid():
        return float("nan")
    # The BSDs, macOS among them, count bytes here; Linux counts KiB.
    unit = 1 / 2**20 if sys.platform == "darwin" else KIBIBYTES_TO_MIB
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def forget_peak_memory(pid: int) -> bool:
    """Let the peak of a process begin anew at what it holds now; whether the system allowed it."""
    try:
        Path(f"/proc/{pid}/clear_refs").write_text("5", "ascii")
    except OSError:
        return False
    return True
