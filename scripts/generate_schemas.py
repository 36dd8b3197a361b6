#!/usr/bin/env python3
"""Write the table of PyTorch's operator schemas, `exporter/torchscript/schemas.txt`.

Namespaces that no saved program can call (compiler internals, communication) are left out.
Overloads keep the order in which TorchScript tries them, names are sorted.
"""

from __future__ import annotations

from pathlib import Path

import torch
import torch._prims

TABLE = Path(__file__).parents[1] / "exporter" / "torchscript" / "schemas.txt"
NAMESPACES = {
    "aten",
    "mkldnn_prepacked",
    "onnx",
    "_quantized",
    "prim",
    "prims",
    "prepacked",
    "profiler",
    "quantized",
    "sparse",
}


def main() -> None:
    overloads: dict[str, list[str]] = {}
    for schema in torch._C._jit_get_all_schemas():
        overloads.setdefault(schema.name, [])
    for name, lines in overloads.items():
        if name.partition("::")[0] in NAMESPACES:
            lines += map(str, torch._C._jit_get_schemas_for_operator(name))
    lines = [line for name in sorted(overloads) for line in overloads[name]]
    TABLE.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    print(f"{len(lines)} schemas of PyTorch {torch.__version__} in {TABLE}")


if __name__ == "__main__":
    main()
