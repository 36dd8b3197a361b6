"""Whole programs: scripted and traced, at an old and the default opset, at several sizes.

    check_program(module, (x, mask), (x2, mask2), axes=[{0: "batch", 1: "time"}, {0: "batch"}],
                  unwanted={"If", "Shape"})

The model is exported with the first call and compared with eager PyTorch on each. `unwanted` names
operators that must not be left in the graph, since what they ask is known.
"""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Any

import torch

from tests.conversion.harness import compare, converted, describe, leaves, loaded, operators, run

__all__ = ["OPSETS", "check_program", "names_of"]

OPSETS = (13, 20)


def check_program(
    program: Callable[..., Any],
    *calls: Sequence[Any],
    axes: Sequence[Mapping[int, str]] = (),
    modes: Sequence[str] = ("scripted", "traced"),
    opsets: Sequence[int] = OPSETS,
    unwanted: AbstractSet[str] = frozenset(),
    rtol: float = 1e-4,
    atol: float = 1e-5,
    **options: Any,
) -> None:
    """Fail unless each export gives what eager PyTorch gives, on every call."""
    if isinstance(program, torch.nn.Module):
        program.eval()
    names = names_of(calls[0])
    options["input_names"] = names
    options["dynamic_axes"] = {n: dict(a) for n, a in zip(names, axes, strict=False) if a}
    with torch.no_grad():
        wanted = [list(leaves(arranged(program(*copy.deepcopy(tuple(call)))))) for call in calls]
        for mode in modes:
            source = compiled(program, mode, calls[0])
            for opset in opsets:
                result = converted(source, calls[0], opset_version=opset, **options)
                left = operators(result) & unwanted
                assert not left, f"{mode}, opset {opset}: {sorted(left)} in the graph"
                session = loaded(result)
                for call, expected in zip(calls, wanted, strict=True):
                    said = f"{mode}, opset {opset}, {describe(call)}"
                    compare(expected, run(session, call), said, rtol, atol)


def arranged(result: Any) -> Any:
    """The result with each list of numbers as the 1-D tensor that it is in ONNX."""
    if isinstance(result, list) and all(type(item) in (int, float) for item in result):
        return torch.tensor(
            result, dtype=torch.double if float in map(type, result) else torch.long
        )
    if isinstance(result, dict):
        return {key: arranged(value) for key, value in result.items()}
    if isinstance(result, (list, tuple)):
        return tuple(map(arranged, result))
    return result


def names_of(call: Sequence[Any]) -> list[str]:
    """A name for each input."""
    return [f"x{i}" for i, _ in enumerate(leaves(tuple(call)))]


def compiled(program: Callable[..., Any], mode: str, call: Sequence[Any]) -> Any:
    """The program as TorchScript."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if mode == "scripted":
            return torch.jit.script(program)
        return torch.jit.trace(program, copy.deepcopy(tuple(call)), check_trace=False, strict=False)
