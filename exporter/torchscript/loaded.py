"""What is converted: a program and the object whose method is run."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from exporter.archive import Archive, ScriptObject
from exporter.torchscript.program import Program

__all__ = ["Loaded"]


@dataclass(frozen=True)
class Loaded:
    """A program with its module, from an archive or from a live one."""

    name: str
    """What errors call it."""
    version: int
    """Of the operators; see `Archive.version`."""
    program: Program
    root: ScriptObject
    traced_inputs: Callable[[], Mapping[str, tuple[object, ...]]]
    """The example inputs that came with it, by method."""

    @classmethod
    def of(cls, archive: Archive) -> Loaded:
        """What an archive holds."""
        program = Program(
            archive.code, archive.constants, archive.source_ranges, archive.floats_written_as_ints
        )
        return cls(
            archive.name, archive.version, program, archive.root, lambda: archive.traced_inputs
        )
