"""What a conversion has done, for people and for machines."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from exporter.conversion.boundary.specs import dtype_name

if TYPE_CHECKING:
    from exporter.api import Exported

__all__ = ["described", "print_report"]


def described(exported: Exported, model: str, target: Path) -> dict[str, Any]:
    """The report as one object."""
    report = exported.report
    verification = exported.verification
    return {
        "model": model,
        "output": str(target),
        "opset": report.opset,
        "inputs": [_port(*described) for described in report.inputs],
        "outputs": [_port(*described) for described in report.outputs],
        "state": report.state,
        "nodes": report.node_count,
        "operators": dict(sorted(report.operators.items())),
        "warnings": report.warnings,
        "preconditions": report.preconditions,
        "seconds": round(report.seconds, 3),
        "bytes": target.stat().st_size,
        "verification": None
        if verification is None
        else {
            "reference": verification.reference,
            "runs": [vars(run) for run in verification.runs],
            "notes": verification.notes,
        },
    }


def _port(name: str, dtype: str, shape: str) -> dict[str, str]:
    return {"name": name, "dtype": _dtype_name(dtype), "shape": shape}


def _dtype_name(onnx_name: str) -> str:
    """As `--input` writes it: "float32", "list(float32)"."""
    word, bracket, rest = onnx_name.partition("(")
    if bracket:
        return f"{word}({_dtype_name(rest.removesuffix(')'))})"
    return onnx_name if onnx_name == "?" else dtype_name(onnx_name)


def _type_text(dtype: str, shape: str) -> str:
    """A type with the shape where `--input` has it: "list(float32[n, 3])"."""
    name, bracket, closing = _dtype_name(dtype).partition(")")
    if shape == "?":
        shape = "" if bracket else "[...]"
    return f"{name}{shape}{bracket}{closing}"


def print_report(exported: Exported, model: str, target: Path) -> None:
    """Print the report; warnings go to standard error."""
    report = exported.report
    click.echo(
        f"{model} -> {target}: opset {report.opset}, {report.node_count} nodes, "
        f"{_size(target.stat().st_size)}, {report.seconds:.2f} s"
    )
    state = {*report.state, *(f"{name}_out" for name in report.state)}
    rows = [("input", *row) for row in report.inputs] + [("output", *row) for row in report.outputs]
    width = max((len(name) for _, name, _, _ in rows), default=0)
    for kind, name, dtype, shape in rows:
        what = "  (state)" if name in state else ""
        click.echo(f"  {kind:6}  {name:{width}}  {_type_text(dtype, shape)}{what}")
    if report.state:
        names = ", ".join(report.state)
        click.echo(f"  state   {names}: inputs and outputs; what comes out goes into the next call")
    if exported.verification is not None:
        click.echo(f"  verified  {exported.verification.summary}")
        for note in exported.verification.notes:
            click.echo(f"    {note}")
    for precondition in report.preconditions:
        click.echo(f"  requires  {precondition}")
    for warning in report.warnings:
        click.echo(f"warning: {warning}", err=True)


def _size(count: int) -> str:
    for unit in ("bytes", "KB", "MB"):
        if count < 1000 or unit == "MB":
            break
        count = round(count / 1000)
    return f"{count} {unit}"
