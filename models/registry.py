"""What the registry knows about a model before PyTorch is imported.

A `Model` names the function that builds it and says how it is to be exported. Everything that
needs PyTorch is behind `Model.sample`, so that the tests that work without it can read the table.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from models.sample import Sample

Mode = Literal["traced", "scripted", "function"]

#: Where an operator changed its form in a way that matters to one of the models, and both ends.
DEFAULT_OPSETS = (10, 11, 13, 15, 17, 18, 20, 23, 26)

ARCHIVES = Path(__file__).parent / "archives"


@dataclass(frozen=True)
class Model:
    """One model of the collection: how it is built, compiled, named and exported."""

    name: str
    #: `module:function` inside this package; the function returns a `Sample`.
    factory: str
    #: How PyTorch compiles it: a traced module or function, a scripted module, a scripted function.
    modes: tuple[Mode, ...]
    input_names: tuple[str, ...]
    output_names: tuple[str, ...]
    dynamic_axes: Mapping[str, Mapping[int, str]] = field(default_factory=dict)
    #: Keyword arguments of the factory: for the model itself, and for its variant of a few KB.
    options: Mapping[str, object] = field(default_factory=dict)
    small: Mapping[str, object] = field(default_factory=dict)
    #: The modes of which a ready archive is kept, all of them together being small; None means all.
    kept: tuple[Mode, ...] | None = None
    opsets: tuple[int, ...] = DEFAULT_OPSETS
    #: Attributes that a call changes: inputs after the arguments, outputs after the results.
    state: tuple[str, ...] = ()
    #: The rank of a result depends on the data, so that no shape can be declared for it.
    open_rank: bool = False
    #: How far numbers may be off, relative to the largest; quantized models round in steps.
    atol: float = 1e-5
    #: The object handed to the exporter is what `torch.jit.load` makes of its saved archive.
    reloaded: bool = False

    def sample(self, *, small: bool = False) -> Sample:
        """Build the model and its inputs (the variant of a few KB if `small`); needs PyTorch."""
        module, function = self.factory.split(":")
        build = getattr(import_module(f"models.{module}"), function)
        options = {**self.options, **(self.small if small else {})}
        sample: Sample = build(**options)
        return sample

    @property
    def archived_modes(self) -> tuple[Mode, ...]:
        """The modes for which `models/archives/` has a file."""
        return self.modes if self.kept is None else self.kept

    def archive_name(self, mode: Mode) -> str:
        """Name the ready archive: the mode is part of it where several are kept."""
        return self.name if len(self.archived_modes) == 1 else f"{self.name}_{mode}"

    def archive(self, mode: Mode) -> Path:
        """Locate the ready archive; the recorded arrays lie beside it as `.npz`."""
        return ARCHIVES / f"{self.archive_name(mode)}.pt"
