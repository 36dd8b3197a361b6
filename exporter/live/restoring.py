"""A module is after its trace what it was: its tensors, their values, modes and attributes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

__all__ = ["in_mode", "restored"]


@contextmanager
def restored(model: nn.Module, notes: list[str]) -> Iterator[None]:
    """Afterwards each submodule holds the same objects as before, and tensors the same values.

    A forward may write to them (running statistics, a cached state), replace them or add to them.
    Which it replaced is noted: a trace records writes into tensors, not assignments.
    """
    held: list[Any] = []
    paths: dict[int, str] = {}
    for path, module in model.named_modules():
        if isinstance(module, torch.jit.ScriptModule):
            # Its containers are views of the C++ module; its tensors are restored by value.
            held.append([*module.parameters(recurse=False), *module.buffers(recurse=False)])
            continue
        attributes = module.__dict__
        paths[id(module._buffers)] = paths[id(attributes)] = path
        held += [module._parameters, module._buffers, attributes]
        held += [value for value in attributes.values() if type(value) in (dict, list)]
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
        assigned: list[str] = []
        for content, old in zip(held, before, strict=True):
            if isinstance(content, dict):
                if id(content) in paths:
                    assigned += _assigned(paths[id(content)], old, content)
                for name in content.keys() - old.keys():
                    del content[name]
                content.update(old)
            else:
                content[:] = old
        if assigned:
            notes.append(
                f"{', '.join(assigned)}: assigned while tracing, which a trace does not record, so "
                "every call starts with what is there now; torch.jit.script(module) keeps such "
                "state"
            )
        with torch.no_grad():
            # Not by `_version`: batch normalization writes its statistics without counting.
            for key, value in values.items():
                if not _same(tensors[key], value):
                    tensors[key].copy_(value)


def _assigned(path: str, before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    """Which tensors and numbers of a module are others now, by qualified name."""
    kinds = (torch.Tensor, int, float)
    return [
        f"{path}.{name}" if path else name
        for name, value in before.items()
        if after.get(name) is not value
        and name != "training"
        and isinstance(value, kinds)
        and isinstance(after.get(name), kinds)
        and not _equal_numbers(after[name], value)
    ]


def _equal_numbers(a: Any, b: Any) -> bool:
    return not isinstance(a, torch.Tensor) and not isinstance(b, torch.Tensor) and bool(a == b)


def _same(tensor: torch.Tensor, value: torch.Tensor) -> bool:
    """Whether the values are known to be the same; a tensor on the meta device has none."""
    if tensor.is_meta:
        return True
    return tensor.layout is torch.strided and torch.equal(tensor, value)


@contextmanager
def in_mode(model: nn.Module, training: str) -> Iterator[None]:
    """Put the module in the mode asked for; afterwards each submodule has its own again."""
    wanted = training == "train"
    flags = [(module, module.training) for module in model.modules()]
    # A `train` of the user's own may do more than to set flags.
    set_already = all(
        flag == wanted and type(module).train is nn.Module.train for module, flag in flags
    )
    try:
        if training != "preserve" and not set_already:
            model.train(wanted)
        yield
    finally:
        for module, flag in flags:
            if module.training is not flag:
                module.training = flag
