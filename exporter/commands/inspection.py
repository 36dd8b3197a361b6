"""What `ts2onnx inspect MODEL.pt` does: tells what is in an archive."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import click

from exporter import deferred_sympy  # noqa: F401  # first: it imports onnx_ir
from exporter.archive import Archive, TensorData, open_archive
from exporter.commands.outcome import print_json
from exporter.errors import InputError
from exporter.torchscript.graph import ClassType
from exporter.torchscript.printing import format_graph
from exporter.torchscript.program import Program

__all__ = ["run"]


def run(
    model: str,
    method: str | None,
    script_module: int | None,
    *,
    graph: bool,
    code: bool,
    depth: int | None,
    as_json: bool,
) -> None:
    """Print what the options ask for of the archive `model`."""
    archive = open_archive(model, script_module)
    program = Program(archive.code, archive.constants, archive.source_ranges)
    root = program.class_type(archive.root.type_name)
    if method is not None and method not in root.methods:
        known = ", ".join(root.methods) or "none"
        raise InputError(f"{model} has no method {method!r}; its methods: {known}")
    methods = [method] if method is not None else list(root.methods)
    if code:
        for name, text in archive.code.items():
            click.echo(f"# {name}\n{text.rstrip()}\n")
    if graph:
        for name in methods:
            click.echo(f"# {name}\n{format_graph(root.methods[name].graph, program)}")
    if not (code or graph):
        description = _described(model, archive, program, root, methods, method)
        if as_json:
            print_json(description)
        else:
            _print(description, depth)


def _described(
    model: str,
    archive: Archive,
    program: Program,
    root: ClassType,
    methods: Sequence[str],
    method: str | None,
) -> dict[str, Any]:
    from exporter.commands import contents  # noqa: PLC0415  here: graphs and code do without the registry

    return {
        "model": model,
        "version": archive.version,
        "byteorder": archive.byteorder,
        "class": archive.root.type_name.removeprefix("__torch__."),
        "methods": [
            {
                "name": name,
                "signature": contents.signature(root.methods[name], program),
                "example_inputs": [_example(v) for v in archive.traced_inputs[name]]
                if name in archive.traced_inputs
                else None,
            }
            for name in methods
        ],
        "modules": [vars(row) for row in contents.module_rows(archive, program)],
        "operators": [vars(row) for row in contents.operators(archive, program, method)],
        "extra_files": list(archive.extra_files),
    }


def _example(value: object) -> str:
    if isinstance(value, TensorData):
        return f"{value.dtype.numpy().name}[{','.join(map(str, value.shape))}]"
    if isinstance(value, (list, tuple)):
        inner = ", ".join(map(_example, value))
        return f"[{inner}]" if isinstance(value, list) else f"({inner})"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{k!r}: {_example(v)}' for k, v in value.items())}}}"
    return repr(value)


def _print(found: dict[str, Any], depth: int | None) -> None:
    order = "" if found["byteorder"] == "little" else f", {found['byteorder']}-endian"
    click.echo(f"{found['model']}: TorchScript archive, version {found['version']}{order}")
    click.echo(f"\nmethods of {found['class']}")
    for method in found["methods"]:
        click.echo(f"  {method['signature']}")
        if method["example_inputs"] is not None:
            click.echo(f"    traced with {', '.join(method['example_inputs'])}")
    if not found["methods"]:
        click.echo("  none")
    _print_modules(found["modules"], depth)
    _print_operators(found["operators"])
    if found["extra_files"]:
        click.echo(f"\nextra files: {', '.join(found['extra_files'])}")


def _print_modules(modules: list[dict[str, Any]], depth: int | None) -> None:
    click.echo(f"\nmodules, {modules[0]['total_parameters']:,} parameters in all")
    rows = []
    for module in modules:
        level = module["path"].count(".") + 1 if module["path"] else 0
        if depth is not None and level > depth:
            continue
        name = module["path"].rpartition(".")[2] or "(root)"
        held = f"{module['total_parameters']:,}" if module["total_parameters"] else ""
        if module["buffers"]:
            held += f" + {module['buffers']:,} in buffers"
        rows.append(("  " * level + name, module["class_name"].rpartition(".")[2], held))
    _print_table(rows)


def _print_operators(operators: list[dict[str, Any]]) -> None:
    click.echo("\noperators")
    rows = []
    for operator in operators:
        if operator["first_opset"] is None:
            support = f"no symbolic; at {', '.join(operator['places'][:3]) or 'an unknown line'}"
        elif operator["newest_ops"]:
            newest = ", ".join(operator["newest_ops"])
            support = f"opset {operator['first_opset']}+ where it takes {newest}"
        else:
            support = f"opset {operator['first_opset']}+"
        rows.append((operator["name"], str(operator["count"]), support))
    _print_table(rows)
    missing = sum(operator["first_opset"] is None for operator in operators)
    if missing:
        click.echo(f"  {missing} of {len(operators)} have no symbolic (docs: custom operators)")


def _print_table(rows: Sequence[tuple[str, ...]]) -> None:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = (f"{cell:{width}}" for cell, width in zip(row, widths, strict=True))
        click.echo(f"  {'  '.join(cells)}".rstrip())
