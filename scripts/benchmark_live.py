#!/usr/bin/env python3
"""Time the export of live modules, and their memory, against PyTorch's TorchScript exporter.

    benchmark_live.py [MODULE ...] [--runs N] [--megabytes N]

Each module is exported by both into a file, in turns (A B A B ...), within one process that has all
imported and has exported before; shown are the medians of the seconds of CPU, and their ratio. Then
a module of so many megabytes of weights is exported with external data, by each in a process of its
own; shown is by how much the memory of the process rose above that with the module in it.
"""

from __future__ import annotations

import argparse
import logging
import resource
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import torch
from torch import nn

from exporter import export


class Block(nn.Module):
    """A residual block of modules in a row."""

    def __init__(self, *modules: nn.Module) -> None:
        super().__init__()
        self.inner = nn.Sequential(*modules)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.inner(x)


def shallow() -> tuple[nn.Module, torch.Tensor]:
    return nn.Sequential(nn.Linear(16, 32), nn.ReLU(), nn.Linear(32, 4)), torch.randn(2, 16)


def perceptron() -> tuple[nn.Module, torch.Tensor]:
    blocks = (
        Block(nn.LayerNorm(64), nn.Linear(64, 64), nn.GELU(), nn.Linear(64, 64)) for _ in range(48)
    )
    return nn.Sequential(*blocks), torch.randn(2, 64)


def convolutions() -> tuple[nn.Module, torch.Tensor]:
    blocks = (
        Block(nn.Conv2d(16, 16, 3, padding=1, bias=False), nn.BatchNorm2d(16), nn.ReLU())
        for _ in range(150)
    )
    return nn.Sequential(*blocks), torch.randn(1, 16, 8, 8)


def encoder() -> tuple[nn.Module, torch.Tensor]:
    layer = nn.TransformerEncoderLayer(64, 4, 256, batch_first=True)
    return nn.TransformerEncoder(layer, 24, enable_nested_tensor=False), torch.randn(2, 10, 64)


MODULES = {
    "shallow": shallow,
    "perceptron": perceptron,
    "convolutions": convolutions,
    "encoder": encoder,
}


def by_ts2onnx(module: nn.Module, x: torch.Tensor, path: Path, *, external: bool = False) -> None:
    export(module, (x,), path, external_data=external)


def by_torch(module: nn.Module, x: torch.Tensor, path: Path, *, external: bool = False) -> None:
    torch.onnx.export(module, (x,), str(path), dynamo=False, external_data=external)


EXPORTERS: dict[str, Callable[..., None]] = {"ts2onnx": by_ts2onnx, "torch.onnx": by_torch}


def seconds(run: Callable[..., None], module: nn.Module, x: torch.Tensor, path: Path) -> float:
    started = time.process_time()
    run(module, x, path)
    return time.process_time() - started


def compare(name: str, runs: int, folder: Path) -> None:
    """Print the row of a module."""
    module, x = MODULES[name]()
    module.eval()
    for run in EXPORTERS.values():
        run(module, x, folder / "model.onnx")
    taken: dict[str, list[float]] = {exporter: [] for exporter in EXPORTERS}
    for _ in range(runs):
        for exporter, run in EXPORTERS.items():
            taken[exporter].append(seconds(run, module, x, folder / "model.onnx"))
    ours, theirs = map(statistics.median, taken.values())
    count = sum(1 for _ in module.modules())
    print(f"{name:14}{count:9}{ours:10.3f}{theirs:12.3f}{theirs / ours:8.1f}", flush=True)


def memory(exporter: str, megabytes: int) -> None:
    """Export a large module and print by how many megabytes the memory rose."""
    width = 1024
    count = megabytes * 2**20 // (4 * width * width)
    module = nn.Sequential(*(nn.Linear(width, width, bias=False) for _ in range(count))).eval()
    run = EXPORTERS[exporter]
    with tempfile.TemporaryDirectory() as folder:
        run(nn.Linear(2, 2), torch.randn(1, 2), Path(folder) / "small.onnx")
        unit = 2**20 if sys.platform == "darwin" else 2**10
        # The most so far: the module alone, for it has been made in place.
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit
        run(module, torch.randn(1, width), Path(folder) / "model.onnx", external=True)
        print(f"{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit - before:.0f}")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("modules", nargs="*", metavar="MODULE", help=", ".join(MODULES))
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--megabytes", type=int, default=500)
    parser.add_argument("--memory", choices=EXPORTERS, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    unknown = set(arguments.modules) - set(MODULES)
    if unknown:
        parser.error(f"there is no module {', '.join(sorted(unknown))}")
    warnings.simplefilter("ignore")
    logging.disable(logging.CRITICAL)
    if arguments.memory:
        memory(arguments.memory, arguments.megabytes)
        return
    print(f"{'':14}{'modules':>9}{'ts2onnx s':>10}{'torch.onnx s':>12}{'ratio':>8}")
    with tempfile.TemporaryDirectory() as folder:
        for name in arguments.modules or MODULES:
            compare(name, arguments.runs, Path(folder))
    for exporter in EXPORTERS:
        command = [sys.executable, __file__, "--memory", exporter]
        command += ["--megabytes", str(arguments.megabytes)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        rise = done.stdout.split()[-1]
        print(f"{exporter}: {rise} MB more memory for {arguments.megabytes} MB of weights")


if __name__ == "__main__":
    main()
