"""Runs a random program by PyTorch and as an ONNX model, and reduces one where they differ."""

import copy
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from exporter import Exported
from exporter.errors import ConversionError
from tests.conversion.harness import compare, converted, feed, leaves, loaded, script
from tests.conversion.random_inputs import Inputs, bounded, limited
from tests.conversion.random_programs import Program

__all__ = ["Outcome", "outcome_of", "reduced"]

TOLERANCE = 1e-6


@dataclass(frozen=True)
class Outcome:
    """ "same", "different", "unsupported", or "rejected" by TorchScript itself; and the details."""

    kind: str
    text: str = ""


class _Apart(TorchDispatchMode):
    """Runs a program as it is meant, or fails.

    What is written in place is given copies to read: where an operator reads an element that it
    writes itself, the result depends on the order that PyTorch's kernel goes by (`x[::2] -= x[0]`).
    And an index out of range is an error in a tensor without elements, too: PyTorch lets it pass,
    onnxruntime does not.
    """

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        declared = func._schema.arguments
        _check_indices(func._schema.name, args)
        if func._schema.is_mutable:
            args = [
                a.clone() if isinstance(a, torch.Tensor) and not d.is_write else a
                for a, d in zip(args, declared, strict=False)
            ]
        return func(*args, **(kwargs or {}))


def _check_indices(name: str, args: Any) -> None:
    if not name.startswith(("aten::index", "aten::gather", "aten::scatter")):
        return
    # One tensor of indices for each dim, or a dim and its indices.
    one_dim = not isinstance(args[1], list)
    for dim, index in [(args[1], args[2])] if one_dim else enumerate(args[1]):
        if one_dim and not name.startswith("aten::index") and index.dim() != args[0].dim():
            raise IndexError(f"{name} with empty indices of other dims")
        if index is None or index.dtype != torch.int64 or args[0].numel() or not index.numel():
            continue
        size = args[0].shape[dim] if args[0].dim() else 1
        if index.max() >= size or index.min() < -size:
            raise IndexError(f"{name} of an empty tensor")


@dataclass(frozen=True)
class _Call:
    """Arguments, what eager PyTorch gives for them, and the state it leaves."""

    given: Inputs
    results: list[Any]
    state: dict[str, Any]


def outcome_of(program: Program, *, unroll: bool = True) -> Outcome:
    """Convert and compare on all calls; with loops of known length unrolled or not."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return _outcome(program, unroll)


def _outcome(program: Program, unroll: bool) -> Outcome:
    built = program.build()
    calls = _eager_calls(built, program)
    if not calls or calls[0].given is not program.calls[0]:
        return Outcome("rejected", "eager PyTorch fails")
    try:
        scripted = script(built)
    except Exception as error:
        return Outcome("rejected", str(error).strip().splitlines()[0])
    # A handful of operators do otherwise in TorchScript; those are not our business.
    reason = _scripted_otherwise(scripted, calls)
    if reason is not None:
        return Outcome("rejected", reason)
    setting = program.setting
    try:
        result = converted(
            scripted,
            tuple(calls[0].given.values()),
            dynamic=setting.dynamic,
            input_names=list(calls[0].given),
            opset_version=setting.opset,
            **({} if unroll else {"unroll_trips": 0}),
        )
    except ConversionError as error:
        return Outcome("unsupported", str(error))
    except Exception as error:
        return Outcome("different", f"{type(error).__name__}: {error}")
    return _compared(result, calls)


def _eager_calls(built: Any, program: Program) -> list[_Call]:
    """The calls that eager PyTorch runs, one after the other where there is state."""
    calls = []
    state = program.setting.state
    for given in program.calls:
        model = copy.deepcopy(built) if state else built
        other = copy.deepcopy(built) if state else built
        try:
            result = limited(model, **copy.deepcopy(given))
            with _Apart():
                apart = limited(other, **copy.deepcopy(given))
        except Exception:
            continue
        left = {name: copy.deepcopy(getattr(model, name)) for name in state}
        if not bounded(result) or not bounded(list(left.values())):
            continue
        if _agrees(list(leaves(result)), list(leaves(apart))):
            calls.append(_Call(given, list(leaves(copy.deepcopy(result))), left))
            built = model
    return calls


def _scripted_otherwise(scripted: Any, calls: Sequence[_Call]) -> str | None:
    model = copy.deepcopy(scripted) if isinstance(scripted, torch.nn.Module) else scripted
    for call in calls:
        try:
            found = list(leaves(model(**copy.deepcopy(call.given))))
        except RuntimeError as error:
            return "TorchScript fails where Python does not: " + str(error).splitlines()[-1][:60]
        left = [array for name in call.state for array in leaves(getattr(model, name))]
        if not _agrees(call.results + list(leaves(list(call.state.values()))), found + left):
            return "TorchScript and Python differ"
    return None


def _compared(result: Exported, calls: Sequence[_Call]) -> Outcome:
    try:
        session = loaded(result)
    except Exception as error:
        return Outcome("different", f"not loaded: {error}")
    declared = {port.name: port.type for port in session.get_inputs()}
    names = list(result.initial_state)
    state: dict[str, Any] = dict(result.initial_state)
    for call in calls:
        where = f"call {call.given}"
        try:
            given = zip(declared, [*call.given.values(), *state.values()], strict=True)
            found = session.run(None, {name: feed(v, declared[name]) for name, v in given})
            count = len(found) - len(names)
            state = dict(zip(names, found[count:], strict=True))
            outputs = list(leaves(found[:count]))
            compare(call.results, outputs, where, TOLERANCE, TOLERANCE)
            _compare_state(call.state, state, f"state, {where}")
        except Exception as error:
            return Outcome("different", f"{type(error).__name__}: {error}\n{where}")
        except AssertionError as error:
            return Outcome("different", str(error))
    return Outcome("same")


def _part(held: Any, name: str) -> Any:
    """What an attribute holds at `table.a`, `items.0`."""
    for key in name.split("."):
        held = held[int(key)] if isinstance(held, (list, tuple)) else held[key]
    return held


def _compare_state(left: dict[str, Any], found: dict[str, Any], where: str) -> None:
    """Whether the model leaves what the module does; a value that is not there is not compared."""
    for name, value in found.items():
        if name.endswith(".present"):
            held = _part(left, name.removesuffix(".present"))
            assert bool(value) == (held is not None), f"{name} is {value}; {where}"
            continue
        held = _part(left, name)
        if held is None:
            continue
        if isinstance(held, list) and not isinstance(value, list):
            held = np.array(held, dtype=value.dtype)
        compare(list(leaves(held)), list(leaves(value)), f"{name}, {where}", TOLERANCE, TOLERANCE)


def _agrees(wanted: list[Any], found: list[Any]) -> bool:
    return len(wanted) == len(found) and all(
        _array(a).dtype == _array(b).dtype and np.array_equal(_array(a), _array(b))
        for a, b in zip(wanted, found, strict=True)
    )


def _array(value: Any) -> np.ndarray:
    return np.asarray(value.detach() if isinstance(value, torch.Tensor) else value)


def reduced(program: Program, outcome: Outcome, *, unroll: bool = True) -> Program:
    """A smaller program with an outcome of the same kind (and, if it is refused, reason)."""
    reason = outcome.text.splitlines()[:1] if outcome.kind == "unsupported" else None
    while True:
        for smaller in program.without():
            try:
                found = outcome_of(smaller, unroll=unroll)
            except Exception:
                # Without what it lacks now it is no program at all.
                continue
            if found.kind == outcome.kind and reason in (None, found.text.splitlines()[:1]):
                program = smaller
                break
        else:
            return replace(program, calls=program.calls)
