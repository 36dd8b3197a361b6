"""Python's collector of cyclic garbage, which has nothing to find during an export.

What a conversion builds lives until its end, and the graph of a model is cyclic: values know their
nodes and nodes their values. The collector walks over all of it, and over whatever else the process
holds, each time it has grown by a quarter: half the time of a large conversion.
"""

from __future__ import annotations

import atexit
import gc
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["collector_paused", "stop_collector"]


@contextmanager
def collector_paused() -> Iterator[None]:
    """Leave the collector off, unless it is off already; who turned it off turns it on again.

    It belongs to the whole process: another thread that exports in the meantime finds it off.
    """
    if not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def stop_collector() -> None:
    """Turn it off for good in a process that ends soon, and spare it the search at its end too."""
    gc.disable()
    atexit.register(gc.freeze)
