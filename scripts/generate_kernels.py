"""Write exporter/onnx_graph/kernels.txt: the dtypes that onnxruntime's CPU kernels take.

A model is made on one machine and run on another, by any onnxruntime since 1.20. A dtype counts
where every one of them that has a kernel for the operator takes it; but a double counts where the
newest takes it, since there is no way around that loses nothing. Give the script folders with the
oldest runtime, some between and the newest, in this order, and look at the difference:

    for v in 1.20.1 1.22.1 1.23.2 1.26.0 1.29.0 1.31.1 1.32.0; do
        pip install --no-deps --target runtimes/$v onnxruntime==$v
    done
    python scripts/generate_kernels.py runtimes/*

A line is `Operator versions variable=letters ...`. The versions are those of the operator's schema,
in which its opsets fall; one without a line has no kernel. The letters are those of
`exporter.onnx_graph.kernels.LETTERS`.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

from onnx import defs

from exporter.onnx_graph.kernels import LETTERS
from exporter.onnx_graph.signatures import NEWEST

TARGET = Path(__file__).parent.parent / "exporter" / "onnx_graph" / "kernels.txt"

# A kernel without a last version is for its first alone: what a newer opset changed has no kernel
# until onnxruntime says so.
OPEN_END = 2**31 - 1

# Run in a process of each runtime: [operator, first version, last, {variable: types}].
PRINT_KERNELS = """
import json
from onnxruntime.capi import onnxruntime_pybind11_state as runtime
print(json.dumps([
    [k.op_name, *k.version_range, k.type_constraints]
    for k in runtime.get_all_opkernel_def()
    if k.provider == "CPUExecutionProvider" and not k.domain
]))
"""

Kernel = dict[str, set[str]]


def kernels_of(folder: Path) -> dict[tuple[str, int], Kernel]:
    """The letters that a runtime takes for each variable, by operator and schema version."""
    environment = {**os.environ, "PYTHONPATH": str(folder)}
    command = [sys.executable, "-c", PRINT_KERNELS]
    printed = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
    spans: dict[str, list[tuple[int, int, Kernel]]] = defaultdict(list)
    for op_type, first, last, constraints in json.loads(printed.stdout):
        variables = {
            variable: {LETTERS[t[7:-1]] for t in types if t[7:-1] in LETTERS}
            for variable, types in constraints.items()
        }
        spans[op_type].append((first, first if last == OPEN_END else last, variables))
    return {
        (schema.name, schema.since_version): united(found)
        for schema in defs.get_all_schemas_with_history()
        if not schema.domain and schema.since_version <= NEWEST
        for found in [
            [v for first, last, v in spans[schema.name] if first <= schema.since_version <= last]
        ]
        if found
    }


def united(kernels: list[Kernel]) -> Kernel:
    """What one of several kernels takes; a variable that one of them leaves open is open."""
    open_to_all = set.intersection(*(set(k) for k in kernels))
    return {v: set().union(*(k[v] for k in kernels)) for v in open_to_all}


def common(kernels: list[Kernel]) -> Kernel:
    """What each of several runtimes takes; a variable counts where the newest names it."""
    return {
        variable: set.intersection(*(k[variable] for k in kernels if variable in k))
        | (letters & {LETTERS["double"]})
        for variable, letters in kernels[-1].items()
    }


def lines(runtimes: list[dict[tuple[str, int], Kernel]]) -> list[str]:
    """The table: versions of an operator that take the same are on one line."""
    rows: dict[tuple[str, str], list[int]] = defaultdict(list)
    for op_type, version in sorted({key for runtime in runtimes for key in runtime}):
        kernel = common([r[op_type, version] for r in runtimes if (op_type, version) in r])
        words = [f"{v}={''.join(sorted(letters))}" for v, letters in sorted(kernel.items())]
        rows[op_type, " ".join(words)].append(version)
    return [
        f"{op_type} {','.join(map(str, versions))} {words}".rstrip()
        for (op_type, words), versions in rows.items()
    ]


def main() -> None:
    """Write the table from the runtimes in the folders."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folders", nargs="+", type=Path, help="each named after its runtime")
    folders = parser.parse_args().folders
    names = ", ".join(folder.name for folder in folders)
    head = f"# Written by scripts/generate_kernels.py from onnxruntime {names}."
    table = lines([kernels_of(folder) for folder in folders])
    TARGET.write_text("\n".join([head, *table]) + "\n")
    print(f"{TARGET}: {len(table)} lines, {TARGET.stat().st_size} bytes")


if __name__ == "__main__":
    main()
