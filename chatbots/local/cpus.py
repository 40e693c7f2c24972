"""How many threads are worth having: one for each core that this process may use to the full."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

_TOPOLOGY: Final = Path("/sys/devices/system/cpu")
_QUOTA: Final = Path("/sys/fs/cgroup/cpu.max")


def usable_cores(*, topology: Path = _TOPOLOGY, quota: Path = _QUOTA) -> int:
    """Return the physical cores this process may run on, within its container's quota; at least 1.

    Two hardware threads of a core share its arithmetic: a second one only gets in the way.
    """
    cpus = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
    if not cpus:
        return max(1, os.cpu_count() or 1)
    cores = {_siblings(topology, cpu) for cpu in cpus}
    return max(1, min(len(cores), _allowed(quota)))


def _siblings(topology: Path, cpu: int) -> str:
    try:
        return (topology / f"cpu{cpu}/topology/thread_siblings_list").read_text(encoding="ascii")
    except OSError:
        return str(cpu)


def _allowed(quota: Path) -> int:
    """The whole CPUs of the quota (the kernel's cgroup-v2.rst, `cpu.max`)."""
    try:
        limit, period = quota.read_text(encoding="ascii").split()
        return int(limit) // int(period)
    except (OSError, ValueError):  # No such file, or "max".
        return 1 << 20
