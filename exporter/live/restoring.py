"""A module is after its trace what it was: its tensors, their values, modes and attributes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

__all__ = ["in_mode", "noted_assignments", "restored"]


@contextmanager
def restored(model: nn.Module) -> Iterator[None]:
    """Afterwards each submodule holds the same objects as before, and tensors the same values.

    A forward may write to them (running statistics, a cached state), replace them or add to them.
    """
    held: list[Any] = []
    for module in model.modules():
        if isinstance(module, torch.jit.ScriptModule):
            # Its containers are views of the C++ module; its tensors are restored by value.
            held.append([*module.parameters(recurse=False), *module.buffers(recurse=False)])
            continue
        held += [module._parameters, module._buffers, module.__dict__]
        held += [value for value in module.__dict__.values() if type(value) in (dict, list)]
    before = [content.copy() for content in held]
    tensors = {
        id(value): value
        for content in held
        for value in (content.values() if isinstance(content, dict) else content)
        if isinstance(value, torch.Tensor)
    }
    with torch.no_grad():
        values = {key: tensor.detach().clone() for key, tensor in tensors.items()}
    try:
        yield
    finally:
        for content, old in zip(held, before, strict=True):
            if isinstance(content, dict):
                for name in content.keys() - old.keys():
                    del content[name]
                content.update(old)
            else:
                content[:] = old
        with torch.no_grad():
            # Not by `_version`: batch normalization writes its statistics without counting.
            for key, value in values.items():
                if not _same(tensors[key], value):
                    tensors[key].copy_(value)


def _same(tensor: torch.Tensor, value: torch.Tensor) -> bool:
    """Whether the values are known to be the same; a tensor on the meta device has none."""
    if tensor.is_meta:
        return True
    return tensor.layout is torch.strided and torch.equal(tensor, value)


@contextmanager
def noted_assignments(model: nn.Module, notes: list[str]) -> Iterator[None]:
    """Note which attributes are replaced: a trace records writes into tensors, not assignments."""
    before = _held_values(model)
    yield
    after = _held_values(model)
    assigned = [
        name
        for name, value in before.items()
        if name in after and after[name] is not value and not _equal_numbers(after[name], value)
    ]
    if assigned:
        notes.append(
            f"{', '.join(assigned)}: assigned while tracing, which a trace does not record, so "
            "every call starts with what is there now; torch.jit.script(module) keeps such state"
        )


def _held_values(model: nn.Module) -> dict[str, Any]:
    """Tensors and numbers that the modules hold, by qualified name."""
    return {
        f"{path}.{name}" if path else name: value
        for path, module in model.named_modules()
        if not isinstance(module, torch.jit.ScriptModule)
        for held in (module._buffers, module.__dict__)
        for name, value in held.items()
        if isinstance(value, (torch.Tensor, int, float)) and name != "training"
    }


def _equal_numbers(a: Any, b: Any) -> bool:
    return not isinstance(a, torch.Tensor) and not isinstance(b, torch.Tensor) and bool(a == b)


@contextmanager
def in_mode(model: nn.Module, training: str) -> Iterator[None]:
    """Put the module in the mode asked for; afterwards each submodule has its own again."""
    flags = [(module, module.training) for module in model.modules()]
    try:
        if training != "preserve":
            model.train(training == "train")
        yield
    finally:
        for module, flag in flags:
            module.training = flag
