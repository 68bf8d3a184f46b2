"""Threads of the libraries that compute, settled before any of them is loaded.

Job: put into the environment how many threads OpenMP and the linear algebra may have and how they wait. Place in the
data flow: first in `main`; processes that a command starts inherit it. Left out: how many processes there are
(`actors.num_workers`).

One thread each: players, workers and learners are processes of their own already. And threads that wait must sleep:
by default they go round in circles for a while, and where a core has other work, too, two of them were measured to be
190 to 350 times slower than one on the small matrices of a policy (docs/design.md).
"""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping

SETTLED: Mapping[str, str] = {"OMP_WAIT_POLICY": "PASSIVE", "OMP_NUM_THREADS": "1"}
"""Read when a library is loaded, never again; MKL and OpenBLAS take the second unless told something of their own."""


def settle_threads(environ: MutableMapping[str, str]) -> None:
    """Set what the user has not set.

    Args:
        environ: Of this process.
    """
    for name, value in SETTLED.items():
        environ.setdefault(name, value)
