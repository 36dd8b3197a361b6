#!/usr/bin/env python3
"""Export every module of PyTorch's own module database and compare with PyTorch.

    check_modules.py [--modules REGEX] [--opset N ...] [--dtype float32] [--most 24]

Each sample of `torch.testing._internal.common_modules.module_db` is constructed in eval mode,
scripted and traced, exported live and from its archive, and run in onnxruntime on the sample's
inputs. Where the module takes another batch size, the batch is dynamic and a second size is run
too. A line per module and opset shows how many exports of each kind agree; what PyTorch itself
can't script or trace is counted and listed, and so is what a trace has fixed to one size. `--most`
spreads the samples of a module evenly; the table shows how many there are. The exit code is 1 if
anything failed.
"""

from __future__ import annotations

import argparse
import copy
import inspect
import io
import multiprocessing
import os
import re
import sys
import traceback
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import onnxruntime
import torch
from torch.testing._internal.common_modules import ModuleInfo, ModuleInput, module_db
from torch.testing._internal.jit_utils import clear_class_registry
from torch.utils._pytree import tree_flatten, tree_unflatten

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from exporter import Exported, export  # noqa: E402
from exporter.errors import ExportError  # noqa: E402
from models.comparison import difference, flat_arrays  # noqa: E402

KINDS = ("scripted live", "scripted archive", "traced live", "traced archive")
DTYPES = {"float32": torch.float32, "float64": torch.float64}

#: Seconds for all samples of one module at one opset.
TIME_LIMIT = 900.0


@dataclass
class Call:
    """Arguments of `forward` by name: those with tensors, and the rest, which are constants."""

    tensors: dict[str, Any]
    constants: dict[str, Any]

    @classmethod
    def of(cls, module: torch.nn.Module, sample: ModuleInput) -> Call:
        """The sample's call, `None` left out."""
        given = sample.forward_input
        bound = inspect.signature(module.forward).bind(*given.args, **given.kwargs).arguments
        has_tensors = {
            name: any(isinstance(leaf, torch.Tensor) for leaf in tree_flatten(value)[0])
            for name, value in bound.items()
        }
        return cls(
            {name: detached(value) for name, value in bound.items() if has_tensors[name]},
            {n: v for n, v in bound.items() if not has_tensors[n] and v is not None},
        )

    def leaves(self) -> list[torch.Tensor]:
        """The tensors in order."""
        return [leaf for leaf in tree_flatten(self.tensors)[0] if isinstance(leaf, torch.Tensor)]

    def run(self, model: Callable[..., Any]) -> list[np.ndarray]:
        """What a model gives for this call, as arrays."""
        arguments = copy.deepcopy(self.tensors) | self.constants
        with torch.no_grad():
            return flat_arrays(model(**arguments))

    def doubled(self, axes: list[list[int]]) -> Call:
        """Repeat the tensors once along the axes given for each."""
        leaves, structure = tree_flatten(self.tensors)
        for i, found in enumerate(axes):
            for axis in found:
                leaves[i] = torch.cat([leaves[i], leaves[i].flip(axis)], axis)
        return Call(tree_unflatten(leaves, structure), self.constants)


@dataclass
class Tally:
    """What came of the exports of one module at one opset."""

    counts: Counter[tuple[str, str]] = field(default_factory=Counter)
    reasons: list[tuple[str, str, str]] = field(default_factory=list)

    def add(self, kind: str, outcome: str, where: str, reason: str = "") -> None:
        """Count one outcome: ok, fixed, unavailable or FAIL."""
        self.counts[kind, outcome] += 1
        if reason:
            self.reasons.append((outcome, " ".join(reason.split())[:400], f"{where}, {kind}"))


def detached(value: Any) -> Any:
    """Tensors without gradient; a padded or expanded one becomes a plain one."""
    leaves, structure = tree_flatten(value)
    plain = [v.detach().clone() if isinstance(v, torch.Tensor) else v for v in leaves]
    return tree_unflatten(plain, structure)


def batch_axes(module: torch.nn.Module, call: Call) -> list[list[int]] | None:
    """Which axes of each tensor are the batch: those that PyTorch lets us double together."""
    leaves = call.leaves()
    first = leaves[0]
    if getattr(module, "_random_samples", None) is not None:
        return None  # they are for one batch, and PyTorch reads what lies behind them
    candidates = [
        [[0] if leaf.dim() and leaf.shape[0] == size else [] for leaf in leaves]
        for size in first.shape[:1]
    ]
    for size in first.shape[:2]:
        candidates.append([[a for a, n in enumerate(leaf.shape) if n == size] for leaf in leaves])
    if first.dim():
        candidates.append([[0], *([] for _ in leaves[1:])])
    for axes in candidates:
        try:
            call.doubled(axes).run(module)
        except Exception:
            continue
        return axes
    return None


def sources(module: torch.nn.Module, call: Call) -> Iterator[tuple[str, Any, Any, str]]:
    """Each way to the exporter: its kind, the source, PyTorch's model, or why there is none."""
    clear_class_registry()  # a class that failed to compile would fail again, for its leftovers
    try:
        scripted = torch.jit.script(module)
        content = io.BytesIO()
        torch.jit.save(scripted, content)
    except Exception as error:
        for kind in KINDS[:2]:
            yield kind, None, None, str(error)
    else:
        yield KINDS[0], scripted, scripted, ""
        yield KINDS[1], content.getvalue(), scripted, ""
    constants = call.constants
    if constants:
        names = list(inspect.signature(module.forward).parameters)
        reason = f"arguments that are no tensors: {[n for n in names if n in constants]}"
        yield KINDS[2], None, None, reason
        yield KINDS[3], None, None, reason
        return
    try:
        with torch.no_grad():
            traced = torch.jit.trace(
                module, example_kwarg_inputs=copy.deepcopy(call.tensors), check_trace=False
            )
        content = io.BytesIO()
        torch.jit.save(traced, content)
    except Exception as error:
        for kind in KINDS[2:]:
            yield kind, None, None, str(error)
    else:
        yield KINDS[2], module, traced, ""
        yield KINDS[3], content.getvalue(), traced, ""


def check(info: ModuleInfo, sample: ModuleInput, dtype: torch.dtype, opset: int) -> Tally:
    """Export one sample in every way and compare."""
    tally = Tally()
    torch.manual_seed(0)
    given = sample.constructor_input
    module = info.module_cls(*given.args, **given.kwargs).to(dtype).eval()
    call = Call.of(module, sample)
    call.run(module)  # lazy modules learn their sizes
    for parameter in module.parameters():
        parameter.requires_grad_(False)
    axes = batch_axes(module, call)
    for kind, source, model, reason in sources(module, call):
        where = f"{info.name} {sample.desc} {given.args} {given.kwargs}"
        if source is None:
            tally.add(kind, "unavailable", where, reason)
            continue
        try:
            outcome, reason = compared(kind, source, model, call, axes, opset)
        except ExportError as error:
            outcome, reason = "FAIL", f"export: {type(error).__name__}: {error}"
        except Exception as error:
            place = traceback.extract_tb(error.__traceback__)[-1]
            reason = (
                f"{type(error).__name__}: {error} at {Path(place.filename).name}:{place.lineno}"
            )
            outcome = "FAIL"
        tally.add(kind, outcome, where, reason)
    return tally


def compared(
    kind: str, source: Any, model: Any, call: Call, axes: list[list[int]] | None, opset: int
) -> tuple[str, str]:
    """Export, and compare at the sample's size and at another."""
    names = [f"x{i}" for i, _ in enumerate(call.leaves())]
    options: dict[str, Any] = {"input_names": names, "opset_version": opset}
    if axes is not None:
        options["dynamic_axes"] = {
            name: dict.fromkeys(found, "batch") for name, found in zip(names, axes, strict=True)
        }
    if call.constants:
        options["constants"] = call.constants
    if kind.startswith("scripted") and not hasattr(model, "forward"):
        # PyTorch calls an overloaded forward only from other scripted code; the archive has each.
        options["method"] = "forward__0"
        model = model.forward__0
    try:
        expected = call.run(model)
    except Exception as error:
        return "unavailable", str(error).strip().splitlines()[0]
    result = export(source, (), kwargs=copy.deepcopy(call.tensors), **options)
    session = loaded(result)
    problem = difference(expected, run(session, call))
    if problem is not None:
        return "FAIL", problem
    if axes is None:
        return "ok", ""
    second = call.doubled(axes)
    try:
        expected = second.run(model)
    except Exception as error:
        return "fixed", str(error).strip().splitlines()[-1]
    problem = difference(expected, run(session, second))
    return ("ok", "") if problem is None else ("FAIL", f"at another batch: {problem}")


def loaded(result: Exported) -> onnxruntime.InferenceSession:
    """An onnxruntime session of the model."""
    content = io.BytesIO()
    result.save(content)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4  # what is an error is raised as well
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(content.getvalue(), options, ["CPUExecutionProvider"])


def run(session: onnxruntime.InferenceSession, call: Call) -> list[np.ndarray]:
    """What the exported model gives."""
    names = [node.name for node in session.get_inputs()]
    arrays = [leaf.numpy() for leaf in call.leaves()]
    return flat_arrays(session.run(None, dict(zip(names, arrays, strict=True))))


def _work(info: ModuleInfo, dtype: torch.dtype, opset: int, most: int, pipe: Connection) -> None:
    """Send the number of samples there are, then a tally for each that is taken."""
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    samples = list(
        info.module_inputs_func(
            info, device="cpu", dtype=dtype, requires_grad=False, training=False
        )
    )
    pipe.send(len(samples))
    step = max(1.0, len(samples) / most)
    for number in range(min(most, len(samples))):
        pipe.send(check(info, samples[int(number * step)], dtype, opset))
    pipe.send(None)


def checked(info: ModuleInfo, dtype: torch.dtype, opset: int, most: int) -> tuple[str, Tally]:
    """Check a module in a process of its own: how many of its samples were taken, and the tally."""
    receiver, sender = multiprocessing.get_context("fork").Pipe(duplex=False)
    process = multiprocessing.get_context("fork").Process(
        target=_work, args=(info, dtype, opset, most, sender)
    )
    process.start()
    sender.close()
    total, taken, sum_ = 0, 0, Tally()
    try:
        total = receiver.recv()
        while True:
            if not receiver.poll(TIME_LIMIT):
                sum_.add("process", "FAIL", info.name, f"took more than {TIME_LIMIT:.0f} s")
                break
            tally = receiver.recv()
            if tally is None:
                break
            taken += 1
            sum_.counts.update(tally.counts)
            sum_.reasons += tally.reasons
    except EOFError:
        process.join()
        reason = f"sample {taken}: the process died with code {process.exitcode}"
        sum_.add("process", "FAIL", info.name, reason)
    process.kill()
    process.join()
    return f"{taken}/{total}", sum_


def row(tally: Tally) -> str:
    """A cell for each kind."""
    cells = []
    for kind in (*KINDS, "process"):
        parts = [
            f"{tally.counts[kind, outcome]} {outcome}"
            for outcome in ("ok", "fixed", "unavailable", "FAIL")
            if tally.counts[kind, outcome]
        ]
        cells.append(f"{', '.join(parts):28}")
    return "".join(cells).rstrip()


def main() -> int:
    """Print the table; 1 if anything failed."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--modules", default="", metavar="REGEX", help="only those that match")
    parser.add_argument("--opset", type=int, nargs="+", default=[20], metavar="N")
    parser.add_argument("--dtype", choices=sorted(DTYPES), default="float32")
    parser.add_argument("--most", type=int, default=24, metavar="N", help="samples of a module")
    arguments = parser.parse_args()
    infos = [info for info in module_db if re.search(arguments.modules, info.name)]
    counts: Counter[str] = Counter()
    reasons: dict[tuple[str, str], list[str]] = {}
    print(f"{'module':28}{'opset':>6}{'samples':>9}   " + "".join(f"{k:28}" for k in KINDS))
    for info in sorted(infos, key=lambda info: info.name):
        for opset in arguments.opset:
            taken, tally = checked(info, DTYPES[arguments.dtype], opset, arguments.most)
            print(f"{info.name:28}{opset:6}{taken:>9}   {row(tally)}", flush=True)
            for (_, outcome), count in tally.counts.items():
                counts[outcome] += count
            for outcome, reason, where in tally.reasons:
                reasons.setdefault((outcome, reason), []).append(f"{where}, opset {opset}")
    for wanted in ("unavailable", "fixed", "FAIL"):
        for (outcome, reason), places in reasons.items():
            if outcome == wanted:
                shown = [place[-300:] for place in places[:: max(1, len(places) // 3)]]
                print(f"\n{outcome} {len(places)} times: {reason}\n    " + "\n    ".join(shown))
    print(f"\nnot scripted or traced by PyTorch: {counts['unavailable']}")
    print(f"passed at one size, to which the trace is fixed: {counts['fixed']}")
    passed = counts["ok"] + counts["fixed"]
    print(f"{passed} passed, {counts['FAIL']} failed")
    return 1 if counts["FAIL"] or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
