"""How old this process is.

Job: measure start-up from the process's very beginning, imports included. Place in the data flow: one event of an
attempt says it. Left out: everything that clocks inside of the process can tell.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import psutil


def process_age_s() -> float:
    """Seconds since the operating system started this process."""
    if sys.platform == "linux":
        # Both by the same clock; psutil's wall-clock time of the start is only good to a second.
        ticks = float(Path("/proc/self/stat").read_text().rpartition(")")[2].split()[19])
        return time.clock_gettime(time.CLOCK_BOOTTIME) - ticks / os.sysconf("SC_CLK_TCK")
    return time.time() - psutil.Process().create_time()
