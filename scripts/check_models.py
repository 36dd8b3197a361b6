#!/usr/bin/env python3
"""Export every model at every opset it is meant for, and compare onnxruntime with PyTorch.

    check_models.py [--models REGEX] [--opset N ...] [--source live|archive] [--small]
                    [--exporter ours|torchscript]

Each model is exported as a live object and from its archive, by its first call. All its calls are
then run: other sizes on the dynamic axes, the other branch, a stateful model's next steps. What
counts is in `models/judging.py`. `--small` takes the variants of a few KB, for a quick look.
`--exporter torchscript` does the same with PyTorch's own exporter, for comparison.

The exit code is 1 if anything failed. Each model runs in a process of its own, so that a crash or
a model that takes too long is one failure among others.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import re
import sys
import tempfile
import warnings
from collections import Counter
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Literal, get_args

os.environ.setdefault("OMP_NUM_THREADS", "1")

import torch

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from models import MODELS, Mode, Model  # noqa: E402
from models.judging import problem_with  # noqa: E402
from models.recording import Recording  # noqa: E402
from models.sample import Call, Sample, loaded  # noqa: E402

Source = Literal["live", "archive"]

#: Seconds for one model, mode and source at one opset.
TIME_LIMIT = 120.0


@dataclass(frozen=True)
class Row:
    """One line of the table."""

    model: Model
    mode: Mode
    source: Source

    def __str__(self) -> str:
        return f"{self.model.name} {self.mode} {self.source}"


@dataclass(frozen=True)
class Outcome:
    """What came of one export: a problem or none, and what the exporter warned of."""

    problem: str | None
    warned: tuple[str, ...] = ()


def convert(
    exporter: str, model: Model, source: object, args: Call, path: Path, opset: int
) -> None:
    """Export with ours or with PyTorch's own exporter, by the same arguments."""
    options = {
        "input_names": list(model.input_names),
        "output_names": list(model.output_names),
        "dynamic_axes": {name: dict(axes) for name, axes in model.dynamic_axes.items()},
        "opset_version": opset,
    }
    if exporter == "ours":
        from exporter import export  # noqa: PLC0415  only here: PyTorch's exporter is to be tried without it

        export(source, args, path, **options)
        return
    module = loaded(source) if isinstance(source, Path) else source
    torch.onnx.export(module, args, str(path), dynamo=False, **options)


def outcome(
    row: Row, sample: Sample, recording: Recording, exporter: str, opset: int, folder: Path
) -> Outcome:
    """Export once and judge the result."""
    model, target = row.model, folder / f"{opset}.onnx"
    if row.source == "archive":
        source: object = folder / "model.pt"
        (folder / "model.pt").write_bytes(sample.archive_bytes(row.mode))
    else:
        source = sample.live(row.mode, reloaded=model.reloaded)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            convert(exporter, model, source, sample.calls[0], target, opset)
        except Exception as error:
            message = " ".join(str(error).split())
            return Outcome(f"export: {type(error).__name__}: {message}")
    warned = {" ".join(str(w.message).split()) for w in caught if w.category is UserWarning}
    shown = tuple(sorted(warned)) if exporter == "ours" else ()
    return Outcome(problem_with(target, model, recording), shown)


def _work(row: Row, exporter: str, opsets: list[int], small: bool, pipe: Connection) -> None:
    """Send one outcome per opset; runs in the row's process, and leaves the table its output."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    torch.set_num_threads(1)
    sample = row.model.sample(small=small)
    recording = sample.recording(row.model.state)
    for opset in opsets:
        with tempfile.TemporaryDirectory() as folder:
            pipe.send(outcome(row, sample, recording, exporter, opset, Path(folder)))


def outcomes(row: Row, exporter: str, opsets: list[int], small: bool) -> dict[int, Outcome]:
    """Run a row in its process, which is replaced where it dies or takes too long."""
    context = multiprocessing.get_context("fork")
    found: dict[int, Outcome] = {}
    while len(found) < len(opsets):
        rest = opsets[len(found) :]
        receiver, sender = context.Pipe(duplex=False)
        process = context.Process(target=_work, args=(row, exporter, rest, small, sender))
        process.start()
        sender.close()
        for opset in rest:
            try:
                found[opset] = (
                    receiver.recv()
                    if receiver.poll(TIME_LIMIT)
                    else Outcome(f"took more than {TIME_LIMIT:.0f} s")
                )
            except EOFError:
                process.join()
                found[opset] = Outcome(f"the process died with code {process.exitcode}")
            problem = found[opset].problem
            if problem is not None and problem.startswith(("took", "the process")):
                break
        process.kill()
        process.join()
    return found


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--models", default="", metavar="REGEX", help="only those that match")
    parser.add_argument("--opset", type=int, nargs="+", metavar="N", help="only these opsets")
    parser.add_argument("--source", choices=get_args(Source), help="only this one")
    parser.add_argument("--exporter", choices=["ours", "torchscript"], default="ours")
    parser.add_argument("--small", action="store_true", help="the variants of a few KB")
    arguments = parser.parse_args()

    sources = [arguments.source] if arguments.source else list(get_args(Source))
    rows = [
        Row(model, mode, source)
        for model in MODELS.values()
        if re.search(arguments.models, model.name)
        for mode in model.modes
        for source in sources
    ]
    columns = sorted(arguments.opset or {o for row in rows for o in row.model.opsets})
    width = max((len(str(row)) for row in rows), default=0)
    print(f"{'opset':{width}}", *(f"{opset:>4}" for opset in columns))
    passed = 0
    reasons: dict[str, list[str]] = {}
    warned: Counter[str] = Counter()
    for row in rows:
        opsets = [opset for opset in columns if opset in row.model.opsets]
        found = outcomes(row, arguments.exporter, opsets, arguments.small)
        cells = []
        for opset in columns:
            if opset not in found:
                cells.append("   -")
                continue
            warned.update(found[opset].warned)
            problem = found[opset].problem
            if problem is None:
                passed += 1
                cells.append("  ok")
            else:
                cells.append("FAIL")
                reasons.setdefault(problem, []).append(f"{row}, opset {opset}")
        print(f"{row!s:{width}}", *cells, flush=True)
    for problem, places in reasons.items():
        print(f"\n{problem[:400]}\n    " + "\n    ".join(places))
    for message, times in warned.most_common():
        print(f"\nwarned {times} times: {message[:400]}")
    failed = sum(len(places) for places in reasons.values())
    print(f"\n{passed} passed, {failed} failed")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
