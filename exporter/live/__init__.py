"""Live PyTorch objects: programs of them, their tensors as arrays, their results.

The only package that imports torch, and it is imported only once there is something live at hand.
A module is traced on the way; afterwards it is what it was: the same tensors with the same values,
each submodule in its own mode, the same class, the same hooks.
"""

from exporter.live.archives import Saved, to_archive
from exporter.live.arrays import flat_arrays, to_arrays
from exporter.live.operators import run_operator
from exporter.live.programs import LiveProgram, to_program
from exporter.live.running import ArchiveProgram
from exporter.live.tracing import Call

__all__ = [
    "ArchiveProgram",
    "Call",
    "LiveProgram",
    "Saved",
    "flat_arrays",
    "run_operator",
    "to_archive",
    "to_arrays",
    "to_program",
]
