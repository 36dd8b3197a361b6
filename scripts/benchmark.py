#!/usr/bin/env python3
"""Time the conversion of a ResNet-18 archive against PyTorch's own TorchScript exporter.

    benchmark.py [--runs N] [--importtime] [--profile] [--top N]

Both run as whole processes, start of Python included, in turns (A B A B ...). The table shows the
medians of CPU time (user and system) and of peak memory, as the operating system counts them for
each process. `--importtime` and `--profile` tell instead where the time of ours goes: in which
imports, and in which functions.

This process imports nothing big: a child's peak memory starts from that of the process it was
forked from.
"""

from __future__ import annotations

import argparse
import os
import pstats
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

_MAKE_ARCHIVE = """
import sys
from pathlib import Path
from models import MODELS
Path(sys.argv[1]).write_bytes(MODELS["resnet18"].sample().archive_bytes("traced"))
"""

_PYTORCH = """
import sys
import torch
module = torch.jit.load(sys.argv[1])
torch.onnx.export(module, torch.zeros(1, 3, 224, 224), sys.argv[2], dynamo=False)
"""


@dataclass(frozen=True)
class Cost:
    """What one process took."""

    cpu: float  # seconds
    wall: float  # seconds
    memory: float  # MB


def environment() -> dict[str, str]:
    """Return the environment of the children, in which this source tree is importable.

    Both sides run compiled, as what pip installs is: the children may write byte code.
    """
    inherited = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    paths = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    return inherited | {"PYTHONPATH": os.pathsep.join(paths)}


def ours(archive: Path, output: Path) -> list[str]:
    """Name the installed command of this Python, or the module behind it where there is none."""
    script = shutil.which("ts2onnx", path=str(Path(sys.executable).parent))
    command = [script] if script else [sys.executable, "-m", "exporter.cli"]
    return [*command, str(archive), "-o", str(output)]


def measure(command: list[str], output: Path) -> Cost:
    """Run to the end and ask what this one child took; it must have written the file."""
    output.unlink(missing_ok=True)
    started = time.perf_counter()
    with tempfile.TemporaryFile() as errors:
        process = subprocess.Popen(
            command, stdout=subprocess.DEVNULL, stderr=errors, env=environment()
        )
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)  # already reaped
        wall = time.perf_counter() - started
        if process.returncode != 0 or not output.exists():
            errors.seek(0)
            tail = errors.read().decode(errors="replace")[-2000:]
            raise SystemExit(f"{command[0]} failed with code {process.returncode}:\n{tail}")
    unit = 2**20 if sys.platform == "darwin" else 2**10
    return Cost(usage.ru_utime + usage.ru_stime, wall, usage.ru_maxrss / unit)


def compare(archive: Path, folder: Path, runs: int) -> None:
    """Run both in turns and print the table."""
    output = folder / "out.onnx"
    commands = {
        "ts2onnx": ours(archive, output),
        "torch.onnx": [sys.executable, "-c", _PYTORCH, str(archive), str(output)],
    }
    costs: dict[str, list[Cost]] = {name: [] for name in commands}
    for _ in range(runs):
        for name, command in commands.items():
            costs[name].append(measure(command, output))
    rows = {}
    print(f"{'':12}{'CPU s':>9}{'wall s':>9}{'peak MB':>9}   CPU of each run")
    for name, measured in costs.items():
        row = [statistics.median(getattr(c, kind) for c in measured) for kind in vars(measured[0])]
        rows[name] = row
        each = " ".join(f"{c.cpu:.2f}" for c in measured)
        print(f"{name:12}{row[0]:9.2f}{row[1]:9.2f}{row[2]:9.0f}   {each}")
    ratios = [b / a for a, b in zip(rows["ts2onnx"], rows["torch.onnx"], strict=True)]
    print(f"{'ratio':12}" + "".join(f"{ratio:9.2f}" for ratio in ratios))


def show_imports(archive: Path, output: Path, top: int) -> None:
    """Print the imports that take longest, with all that they import in turn."""
    command = [sys.executable, "-X", "importtime", "-m", "exporter.cli"]
    command += [str(archive), "-o", str(output)]
    done = subprocess.run(
        command, env=environment(), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )
    if done.returncode != 0:
        raise SystemExit(done.stderr[-2000:])
    pattern = re.compile(r"import time:\s+(\d+) \|\s+(\d+) \| (\s*)(\S+)")
    rows = [(int(m[2]), int(m[1]), len(m[3]) // 2, m[4]) for m in pattern.finditer(done.stderr)]
    print(f"{'ms with its imports':>20}{'ms alone':>10}  module (indented by depth)")
    for cumulative, alone, depth, name in sorted(rows, reverse=True)[:top]:
        print(f"{cumulative / 1000:20.1f}{alone / 1000:10.1f}  {'  ' * depth}{name}")
    print(f"{sum(alone for _, alone, _, _ in rows) / 1000:20.1f}{'':10}  all imports")


def show_functions(archive: Path, output: Path, top: int) -> None:
    """Print the functions that take longest, alone and with what they call."""
    stored = output.with_suffix(".prof")
    command = [sys.executable, "-m", "cProfile", "-o", str(stored), "-m", "exporter.cli"]
    command += [str(archive), "-o", str(output)]
    subprocess.run(command, env=environment(), stdout=subprocess.DEVNULL, check=True)
    stats = pstats.Stats(str(stored)).strip_dirs()
    for order in ("cumulative", "tottime"):
        stats.sort_stats(order).print_stats(top)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--importtime", action="store_true", help="the longest imports of ours")
    parser.add_argument("--profile", action="store_true", help="the longest functions of ours")
    parser.add_argument("--top", type=int, default=25, help="lines of these two")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        archive = folder / "resnet18.pt"
        subprocess.run(
            [sys.executable, "-c", _MAKE_ARCHIVE, str(archive)], env=environment(), check=True
        )
        print(f"resnet18, an archive of {archive.stat().st_size / 1e6:.1f} MB", flush=True)
        if arguments.importtime:
            show_imports(archive, folder / "out.onnx", arguments.top)
        if arguments.profile:
            show_functions(archive, folder / "out.onnx", arguments.top)
        if not (arguments.importtime or arguments.profile):
            compare(archive, folder, arguments.runs)


if __name__ == "__main__":
    main()
