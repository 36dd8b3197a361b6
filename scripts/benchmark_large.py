#!/usr/bin/env python3
"""Time the conversion of large programs, and how it grows, against PyTorch's TorchScript exporter.

    benchmark_large.py [PROGRAM ...] [--without-torch]

Each program is made in a size n and in 2n, traced, and converted by both in this process; imports
are not part of the times. Shown are the nodes written, the seconds of CPU at n and at 2n, how many
times longer 2n takes (2 is linear), and the ratio between both exporters at 2n. A dash stands where
PyTorch's fails.
"""

from __future__ import annotations

import argparse
import io
import logging
import time
import warnings
from collections.abc import Callable
from contextlib import redirect_stdout
from typing import NamedTuple

import torch
from torch import nn

from exporter import export


class Transformer(nn.Module):
    """Layers of attention, written out."""

    def __init__(self, layers: int) -> None:
        super().__init__()
        self.norms = nn.ModuleList(nn.LayerNorm(32) for _ in range(2 * layers))
        self.mixed = nn.ModuleList(nn.Linear(32, 96) for _ in range(layers))
        self.wide = nn.ModuleList(nn.Linear(32, 64) for _ in range(layers))
        self.narrow = nn.ModuleList(nn.Linear(64, 32) for _ in range(layers))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        batch, length, width = x.shape
        for i, (mixed, wide, narrow) in enumerate(
            zip(self.mixed, self.wide, self.narrow, strict=True)
        ):
            heads = mixed(self.norms[2 * i](x)).view(batch, length, 3, 4, 8).permute(2, 0, 3, 1, 4)
            weights = torch.softmax(heads[0] @ heads[1].transpose(-2, -1) / 8**0.5, -1)
            x = x + (weights @ heads[2]).transpose(1, 2).reshape(batch, length, width)
            x = x + narrow(torch.relu(wide(self.norms[2 * i + 1](x))))
        return x


class Convolutions(nn.Module):
    """Residual blocks with batch normalization."""

    def __init__(self, blocks: int) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(
            nn.Sequential(nn.Conv2d(8, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8), nn.ReLU())
            for _ in range(blocks)
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for block in self.blocks:
            x = x + block(x)
        return x


class Steps(nn.Module):
    """A recurrent cell, step by step, and a list of what it gives."""

    def __init__(self, steps: int) -> None:
        super().__init__()
        self.steps, self.cell = steps, nn.LSTMCell(8, 8)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        h, c = torch.zeros(2, 8), torch.zeros(2, 8)
        found = []
        for _ in range(self.steps):
            h, c = self.cell(x, (h, c))
            found.append(h)
        return torch.stack(found, 1)


class Statements(nn.Module):
    """Nothing but many small statements."""

    def __init__(self, statements: int) -> None:
        super().__init__()
        self.pairs = statements // 2

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for i in range(self.pairs):
            x = torch.relu(x + 0.5 * i)
        return x


class Parameters(nn.Module):
    """Many small weights."""

    def __init__(self, count: int) -> None:
        super().__init__()
        self.weights = nn.ParameterList(torch.randn(3) for _ in range(count))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for weight in self.weights:
            x = x * weight
        return x


class Writes(nn.Module):
    """A tensor that is written column by column."""

    def __init__(self, columns: int) -> None:
        super().__init__()
        self.columns = columns

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = torch.zeros(2, self.columns)
        for i in range(self.columns):
            y[:, i] = x[:, 0] * i
        return y


class Program(NamedTuple):
    """How a program is made in a size, its smaller size, and the shape of its input."""

    make: Callable[[int], nn.Module]
    size: int
    shape: tuple[int, ...]


PROGRAMS = {
    "transformer": Program(Transformer, 12, (2, 5, 32)),
    "convolutions": Program(Convolutions, 50, (1, 8, 8, 8)),
    "steps": Program(Steps, 50, (2, 8)),
    "statements": Program(Statements, 1000, (2, 8)),
    "parameters": Program(Parameters, 500, (2, 3)),
    "writes": Program(Writes, 50, (2, 3)),
}


def seconds(run: Callable[[], object]) -> float:
    started = time.process_time()
    run()
    return time.process_time() - started


def pytorch_seconds(traced: torch.jit.ScriptModule, x: torch.Tensor) -> float | None:
    """What PyTorch's exporter takes, None where it fails; what it prints is left out."""
    try:
        with redirect_stdout(io.StringIO()):
            return seconds(lambda: torch.onnx.export(traced, x, io.BytesIO(), dynamo=False))
    except Exception:
        return None


def measured(program: Program, size: int, *, with_torch: bool) -> tuple[int, float, float | None]:
    """The nodes that are written, and the seconds of both exporters."""
    x = torch.randn(program.shape)
    traced = torch.jit.trace(program.make(size).eval(), x, check_trace=False)
    archive = io.BytesIO()
    torch.jit.save(traced, archive)
    content = archive.getvalue()
    nodes = export(content).report.node_count
    return (
        nodes,
        min(seconds(lambda: export(content)) for _ in range(2)),
        pytorch_seconds(traced, x) if with_torch else None,
    )


def cells(small: float | None, large: float | None) -> str:
    if small is None or large is None:
        return f"{'-':>10}{'-':>8}{'-':>8}"
    return f"{small:10.2f}{large:8.2f}{large / small:8.1f}"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("programs", nargs="*", metavar="PROGRAM", help=", ".join(PROGRAMS))
    parser.add_argument("--without-torch", action="store_true", help="only our own times")
    arguments = parser.parse_args()
    unknown = set(arguments.programs) - set(PROGRAMS)
    if unknown:
        parser.error(f"there is no program {', '.join(sorted(unknown))}")
    warnings.simplefilter("ignore")
    logging.disable(logging.CRITICAL)
    print(f"{'':14}{'nodes':>7}{'ts2onnx n':>10}{'2n':>8}{'growth':>8}", end="")
    print(f"{'torch n':>10}{'2n':>8}{'growth':>8}{'ratio':>8}")
    for name in arguments.programs or PROGRAMS:
        program, with_torch = PROGRAMS[name], not arguments.without_torch
        _, ours, torchs = measured(program, program.size, with_torch=with_torch)
        nodes, ours2, torchs2 = measured(program, 2 * program.size, with_torch=with_torch)
        ratio = f"{torchs2 / ours2:8.1f}" if torchs2 is not None else f"{'-':>8}"
        print(f"{name:14}{nodes:7}{cells(ours, ours2)}{cells(torchs, torchs2)}{ratio}", flush=True)


if __name__ == "__main__":
    main()
