"""Write exporter/onnx_graph/kernels.txt: the dtypes that onnxruntime's CPU kernels take.

Run it with the newest onnxruntime after an update and look at the difference:

    python scripts/generate_kernels.py

A line is `Operator first-last variable=letters ...`. Onnxruntime takes a kernel for an operator
whose schema is of version `first`, or of a later one up to `last` (no last: of `first` alone, so
an operator that a newer opset changed has no kernel until onnxruntime says so). The letters are
those of `exporter.onnx_graph.kernels.LETTERS`.
"""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

import onnxruntime
from onnx import defs
from onnxruntime.capi import onnxruntime_pybind11_state as runtime

from exporter.onnx_graph.kernels import LETTERS

TARGET = Path(__file__).parent.parent / "exporter" / "onnx_graph" / "kernels.txt"
OPEN_END = 2**31 - 1


def kernel_lines() -> list[str]:
    rows: dict[tuple[str, int, int], dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    for kernel in runtime.get_all_opkernel_def():
        if (
            kernel.provider != "CPUExecutionProvider"
            or kernel.domain
            or not defs.has(kernel.op_name)
        ):
            continue
        first, last = kernel.version_range
        for variable, types in kernel.type_constraints.items():
            letters = {LETTERS[t[7:-1]] for t in types if t[7:-1] in LETTERS}
            rows[kernel.op_name, first, last][variable] |= letters
        rows[kernel.op_name, first, last]  # a kernel without constraints has a row as well
    lines = []
    for (op_type, first, last), variables in sorted(rows.items()):
        span = f"{first}-{'' if last == OPEN_END else last}"
        words = [f"{v}={''.join(sorted(letters))}" for v, letters in sorted(variables.items())]
        lines.append(" ".join([op_type, span, *words]))
    return lines


def main() -> None:
    head = f"# Written by scripts/generate_kernels.py from onnxruntime {onnxruntime.__version__}."
    TARGET.write_text("\n".join([head, *kernel_lines()]) + "\n")
    print(f"{TARGET}: {TARGET.stat().st_size} bytes")


if __name__ == "__main__":
    main()
