#!/usr/bin/env python3
"""Convert the published Silero VAD archive in every way, stream through it, compare with PyTorch.

    check_silero.py [--archive silero_vad.jit] [--chunks 100]

The archive is a stateful program: branches on the sample rate, an LSTM's state and the end of the
last chunk as attributes that start empty, the last sample rate and batch size as numbers. It is
converted

- with the sample rate bound, and with the sample rate as an input: the state's rank stays open;
- with the sample rate bound and the state's type declared: no `If` may be left, and the checker of
  ONNX must accept the model.

Each model is fed random chunks, its state fed back, beside a fresh copy of the archive in PyTorch,
with one and with two streams at once. A change of the number of streams makes the program start
anew; the models without a declared type must do that too.

The archive comes from the package `silero-vad`, which pip downloads into a temporary folder; where
it can't, this says so and exits with 0. The exit code is 1 if anything differs.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import onnx
import onnxruntime
import torch

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from exporter import Exported, TensorSpec, export  # noqa: E402

TOLERANCE = 1e-5
#: Samples of a chunk and of the context kept from the last one, by sample rate.
SIZES = {16000: (512, 64), 8000: (256, 32)}


@dataclass(frozen=True)
class Way:
    """One way to convert the archive."""

    rate: int
    bound: bool
    declared: bool

    def __str__(self) -> str:
        rate = f"sr={self.rate} {'bound' if self.bound else 'as an input'}"
        return f"{rate}, state {'declared' if self.declared else 'open'}"


WAYS = [
    Way(rate, bound, declared)
    for rate in SIZES
    for bound, declared in ((True, False), (False, False), (True, True))
]


def main() -> int:
    """Run all ways; 1 if one of them fails."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--archive", type=Path, help="the file, if it is there already")
    parser.add_argument("--chunks", type=int, default=100)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        archive = arguments.archive or downloaded(Path(folder))
        if archive is None:
            print("the package silero-vad can't be had here: nothing is checked")
            return 0
        failed = 0
        for way in WAYS:
            problem = problem_with(way, archive, Path(folder), arguments.chunks)
            failed += problem is not None
            print(f"{way}:  {problem or 'equal'}", flush=True)
    print(f"{len(WAYS) - failed} of {len(WAYS)}")
    return int(failed > 0)


def downloaded(folder: Path) -> Path | None:
    """The archive out of the package."""
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
    done = subprocess.run(
        [*command, "--dest", str(folder), "silero-vad"], capture_output=True, text=True, check=False
    )
    wheels = list(folder.glob("silero_vad-*.whl"))
    if done.returncode or not wheels:
        return None
    with zipfile.ZipFile(wheels[0]) as wheel:
        name = next(n for n in wheel.namelist() if n.endswith("/silero_vad.jit"))
        return Path(wheel.extract(name, folder))


def problem_with(way: Way, archive: Path, folder: Path, chunks: int) -> str | None:
    """What is wrong with one way, or None."""
    samples, context = SIZES[way.rate]
    state = {
        "_state": TensorSpec("float32", (2, "batch", 128)),
        "_context": TensorSpec("float32", ("batch", context)),
    }
    path = folder / "vad.onnx"
    exported = export(
        archive,
        (TensorSpec("float32", ("batch", samples)),),
        path,
        constants={"sr": way.rate} if way.bound else {},
        state=state if way.declared else {},
    )
    if way.declared:
        if exported.report.operators["If"]:
            return f"{exported.report.operators['If']} nodes If are left"
        onnx.checker.check_model(onnx.load(path), full_check=True)
    elif {shape for name, _, shape in exported.report.inputs if name in state} != {"?"}:
        return "the rank of the state is not open"
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    # One model serves any number of streams; a declared state must start anew with them.
    runs = [[1] * chunks, [2] * chunks]
    if not way.declared:
        runs.append([1, 1, 2, 2, 2, 1])
    for batches in runs:
        for chunk, difference in enumerate(differences(way, archive, session, exported, batches)):
            if not difference <= TOLERANCE:
                return f"batch {batches[chunk]}, chunk {chunk}: differs by {difference:.3g}"
    return None


def differences(
    way: Way,
    archive: Path,
    session: onnxruntime.InferenceSession,
    exported: Exported,
    batches: list[int],
) -> Iterator[float]:
    """The largest difference of a result or state after each chunk."""
    reference = torch.jit.load(str(archive))
    held = starting_state(exported.initial_state, batches[0] if way.declared else None)
    outputs = [value.name for value in session.get_outputs()]
    generator = torch.Generator().manual_seed(0)
    for batch in batches:
        x = torch.randn(batch, SIZES[way.rate][0], generator=generator) * 0.2
        with torch.no_grad():
            wanted = {"output": reference(x, way.rate).numpy()}
        wanted |= {name: np.asarray(getattr(reference, name)) for name in held}
        given = {"x": x.numpy(), **held}
        if not way.bound:
            given["sr"] = np.array(way.rate)
        found = dict(zip(outputs, session.run(None, given), strict=True))
        held = {name: found[f"{name}_out"] for name in held}
        pairs = [(wanted["output"], found["output"]), *((wanted[n], held[n]) for n in held)]
        yield max(difference(a, b) for a, b in pairs)


def starting_state(initial: dict[str, np.ndarray], batch: int | None) -> dict[str, np.ndarray]:
    """What the first call is fed: of a declared state, zeros for each stream."""
    if batch is None:
        return dict(initial)
    sizes = {"_state": (2, batch, 128), "_context": (batch, initial["_context"].shape[1])}
    return {
        name: np.zeros(sizes[name], array.dtype) if name in sizes else array
        for name, array in initial.items()
    }


def difference(wanted: np.ndarray, found: np.ndarray) -> float:
    """The largest difference of elements, of those above 1 the relative one.

    Infinite if dtype or shape differ.
    """
    if wanted.shape != found.shape or wanted.dtype != found.dtype:
        return float("inf")
    return float((np.abs(wanted - found) / np.maximum(1, np.abs(wanted))).max(initial=0))


if __name__ == "__main__":
    sys.exit(main())
