"""A built model with its inputs, and how PyTorch compiles it.

All numbers come from fixed seeds, so that two builds give the same weights and inputs.
"""

from __future__ import annotations

import copy
import io
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from models.comparison import flat_arrays
from models.recording import RecordedCall, Recording
from models.registry import Mode

Argument = Tensor | int
Call = tuple[Argument, ...]
Compiled = torch.jit.ScriptModule | torch.jit.ScriptFunction


@dataclass
class Sample:
    """A module or function in eval mode, and the calls to try it with.

    The first call is the example that it is traced and exported with. The others have other sizes
    on the dynamic axes, or take the other branch. The calls of a stateful model are a sequence.
    """

    subject: nn.Module | Callable[..., object]
    calls: list[Call]
    #: The submodule that is the model, and the arguments that the module around it is traced with.
    part: str = ""
    example: Call | None = None

    def __post_init__(self) -> None:
        if isinstance(self.subject, nn.Module):
            self.subject.eval()

    def compiled(self, mode: Mode) -> Compiled:
        """Compile the model with `torch.jit`; the sample itself stays as it is."""
        if mode == "traced":
            example = copy.deepcopy(self.calls[0] if self.example is None else self.example)
            compiled = traced(self.subject, example)
        else:
            compiled = scripted(self.subject)
        return _submodule(compiled, self.part)

    def live(self, mode: Mode, *, reloaded: bool = False) -> nn.Module | Compiled:
        """Return what a user would export: a plain module where the exporter can trace it."""
        if reloaded:
            return loaded(io.BytesIO(self.archive_bytes(mode)))
        plain = isinstance(self.subject, nn.Module) and not self.part
        if mode == "traced" and plain and not isinstance(self.subject, torch.jit.ScriptModule):
            return self.subject
        return self.compiled(mode)

    def archive_bytes(self, mode: Mode) -> bytes:
        """Return the archive that `torch.jit.save` writes."""
        buffer = io.BytesIO()
        with _quiet():
            torch.jit.save(self.compiled(mode), buffer)
        return buffer.getvalue()

    def recording(self, state: tuple[str, ...] = ()) -> Recording:
        """Run the calls in PyTorch, uncompiled, and keep what came out.

        `state` names the attributes that a call changes.
        """
        subject = self.reference()

        def held() -> list[np.ndarray]:
            return flat_arrays([getattr(subject, name) for name in state])

        recording = Recording(state=held())
        for call in self.calls:
            with torch.no_grad():
                results = flat_arrays(subject(*copy.deepcopy(call)))
            recording.calls.append(RecordedCall(flat_arrays(call), results + held()))
        return recording

    def reference(self) -> nn.Module | Callable[..., object]:
        """Return a copy that runs in PyTorch and whose state is its own."""
        subject = self.subject
        if not isinstance(subject, nn.Module):
            return subject
        return copy.deepcopy(_submodule(subject, self.part))


def _submodule(module: object, path: str) -> object:
    """Walk to a submodule by attributes, since script modules have no `get_submodule`."""
    for name in path.split(".") if path else ():
        module = getattr(module, name)
    return module


@contextmanager
def _quiet() -> Iterator[None]:
    """Leave out PyTorch's notices that TorchScript is deprecated and that a trace is a trace."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        warnings.simplefilter("ignore", torch.jit.TracerWarning)
        yield


def traced(subject: Callable[..., object], example: Call) -> Compiled:
    """Trace once; the tests compare what comes of it with Python, on more calls than one."""
    with _quiet():
        return torch.jit.trace(subject, example, check_trace=False)


def scripted(subject: object) -> Compiled:
    """Compile the source of a module or function."""
    with _quiet():
        return torch.jit.script(subject)


def loaded(source: Path | io.BytesIO) -> torch.jit.ScriptModule:
    """Load an archive."""
    with _quiet():
        return torch.jit.load(source)


@contextmanager
def seeded(seed: int = 0) -> Iterator[None]:
    """Weights made inside are the same every time; the global generator is left as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        yield


def normal(seed: int, *shape: int) -> Tensor:
    """Return standard normal numbers that depend on the seed and shape alone."""
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def uniform(seed: int, *shape: int) -> Tensor:
    """Return numbers in [0, 1) that depend on the seed and shape alone."""
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


def token_ids(seed: int, vocabulary: int, *shape: int) -> Tensor:
    """Return indices into a vocabulary that depend on the seed and shape alone."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(vocabulary, shape, generator=generator)
