"""Runs a random program by PyTorch and as an ONNX model, and reduces one where they differ."""

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

from exporter.errors import UnsupportedError
from tests.conversion.harness import compare, converted, leaves, loaded, run, script
from tests.conversion.random_programs import Program, accepted

__all__ = ["Outcome", "outcome_of", "reduced"]


@dataclass(frozen=True)
class Outcome:
    """ "same", "different", "unsupported", or "rejected" by TorchScript itself; and the details."""

    kind: str
    text: str = ""


def outcome_of(program: Program, *, unroll: bool = True) -> Outcome:
    """Convert and compare on all calls; with loops of known length unrolled or not."""
    function = program.function()
    calls = [c for c in program.calls if accepted(function, c)]
    if not calls:
        return Outcome("rejected", "eager PyTorch fails")
    try:
        scripted = script(function)
    except Exception as error:
        return Outcome("rejected", str(error).strip().splitlines()[0])
    expected = [list(leaves(function(**copy.deepcopy(c)))) for c in calls]
    for call, wanted in zip(calls, expected, strict=True):
        # A handful of operators do otherwise in TorchScript; those are not our business.
        try:
            found = list(leaves(scripted(**copy.deepcopy(call))))
        except RuntimeError:
            return Outcome("rejected", "TorchScript fails where Python does not")
        if not _agrees(wanted, found):
            return Outcome("rejected", "TorchScript and Python differ")
    try:
        options: dict[str, Any] = {} if unroll else {"unroll_trips": 0}
        if not program.dynamic:
            options["input_names"] = ["x", "y", "n", "flag"]
        result = converted(scripted, tuple(calls[0].values()), dynamic=program.dynamic, **options)
    except UnsupportedError as error:
        return Outcome("unsupported", str(error))
    except Exception as error:
        return Outcome("different", f"{type(error).__name__}: {error}")
    return _compared(result, calls, expected)


def _compared(
    result: Any, calls: Sequence[dict[str, Any]], expected: Sequence[list[Any]]
) -> Outcome:
    try:
        session = loaded(result)
    except Exception as error:
        return Outcome("different", f"not loaded: {error}")
    for call, wanted in zip(calls, expected, strict=True):
        try:
            found = run(session, tuple(call.values()))
            compare(wanted, found, f"call {call}", 1e-6, 1e-6)
        except Exception as error:
            return Outcome("different", f"{type(error).__name__}: {error}\ncall {call}")
        except AssertionError as error:
            return Outcome("different", str(error))
    return Outcome("same")


def _agrees(wanted: list[Any], found: list[Any]) -> bool:
    return len(wanted) == len(found) and all(
        torch.equal(torch.as_tensor(a), torch.as_tensor(b))
        for a, b in zip(wanted, found, strict=True)
    )


def reduced(program: Program, outcome: Outcome, *, unroll: bool = True) -> Program:
    """A smaller program with an outcome of the same kind."""
    while True:
        for smaller in program.without():
            try:
                same = outcome_of(smaller, unroll=unroll).kind == outcome.kind
            except SyntaxError:
                same = False
            if same:
                program = smaller
                break
        else:
            return program
