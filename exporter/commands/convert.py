"""`ts2onnx MODEL.pt`: converts an archive, verifies the result where asked to, and writes it."""

from __future__ import annotations

import os
import runpy
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import click
import numpy as np

from exporter.archive import Archive, open_archive
from exporter.commands import notation
from exporter.commands.outcome import outcome, print_json
from exporter.commands.progress import Progress
from exporter.torchscript.program import Program

if TYPE_CHECKING:
    from exporter.api import Exported
    from exporter.conversion.boundary.state import InitialState
    from exporter.verification import Tolerance, Verification

__all__ = ["convert"]

_Arrays: TypeAlias = dict[str, np.ndarray[Any, Any]] | list[np.ndarray[Any, Any]]

_EXTERNAL_DATA: dict[str, bool | str] = {"auto": "auto", "embed": False, "external": True}

_EPILOG = """\b
Other commands:
  ts2onnx inspect MODEL.pt   look into an archive
  ts2onnx ./inspect          convert a file of that name

\b
Exit codes:
  0  done
  1  no usable archive, a program that can't be converted, a file that can't be written
  2  the command line is wrong or does not fit the model
  3  converted, but the verification found a difference; nothing is written
  4  a mistake in ts2onnx
"""


@click.command(epilog=_EPILOG, context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("model", type=click.Path())
@click.option(
    "-o", "--output", type=click.Path(), metavar="OUT.onnx",
    help="Where to write; by default MODEL.onnx in the current folder.",
)  # fmt: skip
@click.option(
    "-i", "--input", "inputs", multiple=True, metavar="SPEC",
    help='Dtype and shape of an argument, such as "x=float32[batch,3,224,224]"; a dim that is a '
    'name is dynamic. "xs=list(float32[n,3])" is a list of any length, "y=optional(float32[3])" '
    'may be None, "xs.0" and "d.key" are parts of a list and a dict. '
    "Traced archives bring their own.",
)  # fmt: skip
@click.option(
    "--const", multiple=True, metavar="NAME=VALUE",
    help="Bind an argument to a constant: it is no input then.",
)  # fmt: skip
@click.option(
    "--dynamic", multiple=True, metavar="NAME:AXIS=DIM",
    help="Make an axis of an input dynamic, or name one of an output: x:0=batch,2=height.",
)  # fmt: skip
@click.option("--opset", type=click.IntRange(9, 26), default=20, show_default=True)
@click.option("--method", default="forward", show_default=True, help="The method to convert.")
@click.option("--input-names", metavar="A,B", help="Names for the model's inputs, in order.")
@click.option("--output-names", metavar="A,B", help="Names for the model's outputs, in order.")
@click.option(
    "--training", type=click.Choice(["eval", "preserve", "train"]), default="eval",
    show_default=True, help="The mode of the modules: dropout, batch normalization.",
)  # fmt: skip
@click.option(
    "--state", multiple=True, metavar="SPEC",
    help='Dtype and shape of a state that differ from its archived value: "h=float32[2,1,128]".',
)  # fmt: skip
@click.option("--freeze-state", is_flag=True, help="Keep what the method writes as constants.")
@click.option(
    "--state-out", type=click.Path(), metavar="STATE.npz",
    help="Write the initial values of the state as well.",
)  # fmt: skip
@click.option(
    "--unroll", type=click.IntRange(0), default=64, show_default=True, metavar="TRIPS",
    help="Unroll loops of a known number of trips up to this one.",
)  # fmt: skip
@click.option(
    "--weights", type=click.Choice(list(_EXTERNAL_DATA)), default="auto", show_default=True,
    help="Where weights go: into the file, or beside it; auto does what the size needs.",
)  # fmt: skip
@click.option(
    "--verify", is_flag=True,
    help="Run the result in onnxruntime before it is written: against PyTorch where that is "
    "installed, against --expected if given, else as a smoke run.",
)  # fmt: skip
@click.option(
    "--inputs", "input_file", type=click.Path(), metavar="IN.npz",
    help="Arrays to verify with, by input name or in order; examples for arguments without SPEC.",
)  # fmt: skip
@click.option(
    "--expected", type=click.Path(), metavar="OUT.npz",
    help="The outputs that --inputs must give, by output name or in order.",
)  # fmt: skip
@click.option("--rtol", type=float, help="Relative tolerance; by default what suits the dtype.")
@click.option("--atol", type=float, help="Absolute tolerance; by default what suits the dtype.")
@click.option(
    "--symbolics", multiple=True, type=click.Path(), metavar="FILE.py",
    help="Run a Python file first that registers symbolics, for operators of your own.",
)  # fmt: skip
@click.option("--source-lines", is_flag=True, help="Write where each node comes from into it.")
@click.option("--json", "as_json", is_flag=True, help="Report, or error, as JSON.")
@click.option("-q", "--quiet", is_flag=True, help="Say nothing but errors.")
@click.version_option(package_name="ts2onnx", prog_name="ts2onnx", message="%(prog)s %(version)s")
def convert(model: str, as_json: bool, **options: Any) -> None:
    """Convert the TorchScript archive MODEL to ONNX, without PyTorch."""
    with outcome(model, as_json=as_json):
        _convert(model, as_json=as_json, **options)


def _convert(
    model: str,
    *,
    output: str | None,
    inputs: tuple[str, ...],
    const: tuple[str, ...],
    dynamic: tuple[str, ...],
    opset: int,
    method: str,
    input_names: str | None,
    output_names: str | None,
    training: str,
    state: tuple[str, ...],
    freeze_state: bool,
    state_out: str | None,
    unroll: int,
    weights: str,
    verify: bool,
    input_file: str | None,
    expected: str | None,
    rtol: float | None,
    atol: float | None,
    symbolics: tuple[str, ...],
    source_lines: bool,
    as_json: bool,
    quiet: bool,
) -> None:
    target = Path(output) if output is not None else _default_output(model, method)
    if target.exists() and Path(model).exists() and target.samefile(model):
        raise click.UsageError("the output would replace the model")
    if target.is_dir():
        raise click.UsageError(f"{target} is a folder; give the file to write")
    if expected is not None and input_file is None:
        raise click.UsageError("--expected needs --inputs")
    specs = notation.nested(notation.specs(inputs, "--input"))
    arrays = None if input_file is None else _arrays(input_file)

    for file in symbolics:
        if not Path(file).is_file():
            raise click.UsageError(f"there is no file {file}")
        runpy.run_path(file, run_name=Path(file).stem)

    from exporter.api import export  # noqa: PLC0415  only here: --help and usage errors do without

    with Progress(f"converting {model}", shown=not (quiet or as_json)) as progress:
        archive = open_archive(model)
        args, kwargs = _examples(archive, method, specs, arrays)
        exported = export(
            model,
            args,
            kwargs=kwargs or None,
            input_names=notation.names(input_names),
            output_names=notation.names(output_names),
            dynamic_axes=notation.dynamic_axes(dynamic),
            opset_version=opset,
            training=training,
            verbose=source_lines,
            method=method,
            constants=notation.constants(const),
            state=notation.tensor_specs(state, "--state"),
            freeze_state=freeze_state,
            unroll_trips=unroll,
        )
        if verify or expected is not None:
            progress.text = "verifying"
            exported.verification = _verified(
                exported, archive, args, kwargs, method, training, notation.constants(const),
                arrays, None if expected is None else _arrays(expected), rtol, atol,
            )  # fmt: skip
        progress.text = f"writing {target}"
        exported.save(target, external_data=_EXTERNAL_DATA[weights])
        if state_out is not None:
            _write_state(Path(state_out), exported.initial_state)
    if as_json:
        print_json(_described(exported, model, target))
    elif not quiet:
        _print_report(exported, model, target)


def _default_output(model: str, method: str) -> Path:
    """In the current folder, as compilers do it: the archive's may not be writable."""
    stem = Path(model).stem or "model"
    return Path(f"{stem}.onnx" if method == "forward" else f"{stem}.{method}.onnx")


def _examples(
    archive: Archive, method: str, specs: Mapping[str, Any], arrays: _Arrays | None
) -> tuple[list[Any] | None, dict[str, Any]]:
    """The arguments to convert with: the specs, and arrays for what neither they nor a trace tell.

    An array without dims is given as a number, which suits parameters of both kinds.
    """
    if arrays is None or archive.traced_inputs.get(method):
        return None, dict(specs)
    if isinstance(arrays, list):
        return (None, dict(specs)) if specs else ([_example(array) for array in arrays], {})
    program = Program(archive.code, archive.constants, archive.source_ranges)
    function = program.class_type(archive.root.type_name).methods.get(method)
    known = {parameter.name for parameter in function.parameters} if function is not None else set()
    found = {name: _example(a) for name, a in arrays.items() if name.partition(".")[0] in known}
    return None, {**notation.nested(found), **specs}


def _example(array: np.ndarray[Any, Any]) -> Any:
    plain = array.ndim == 0 and array.dtype.name in ("int64", "float64", "bool")
    return array.item() if plain else array


def _verified(
    exported: Exported,
    archive: Archive,
    args: list[Any] | None,
    kwargs: Mapping[str, Any],
    method: str,
    training: str,
    constants: Mapping[str, Any],
    arrays: _Arrays | None,
    expected: _Arrays | None,
    rtol: float | None,
    atol: float | None,
) -> Verification:
    from exporter.verification import (  # noqa: PLC0415  here: a conversion alone does without
        CallPlan,
        Tolerance,
        verify_arrays,
        verify_export,
    )

    tolerance: Tolerance = Tolerance(rtol, atol)
    if arrays is not None and expected is not None:
        return verify_arrays(exported, arrays, expected, tolerance)
    plan = CallPlan.of(archive, method, args, kwargs, constants)
    if arrays is not None:
        names = [name for name, *_ in exported.report.inputs if name not in exported.initial_state]
        plan.use(names, arrays)
    return verify_export(
        exported, plan, pytorch=archive.path, method=method, training=training, tolerance=tolerance
    )


def _arrays(file: str) -> _Arrays:
    """The arrays of an `.npz` by name, in order where the names are NumPy's own: arr_0, arr_1."""
    try:
        with np.load(file) as stored:
            if stored.files == [f"arr_{i}" for i in range(len(stored.files))]:
                return [stored[name] for name in stored.files]
            return {name: stored[name] for name in stored.files}
    except OSError:
        raise
    except Exception as error:
        raise click.UsageError(f"{file} is not an .npz file of arrays: {error}") from None


def _write_state(path: Path, state: InitialState) -> None:
    """Write an `.npz`, complete or not at all. The tensors of a list are `name.0`, `name.1`."""
    arrays: dict[str, Any] = {}
    for name, value in state.items():
        if isinstance(value, list):
            arrays.update((f"{name}.{i}", item) for i, item in enumerate(value))
        else:
            arrays[name] = value
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".npz", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            np.savez(file, allow_pickle=False, **arrays)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def _described(exported: Exported, model: str, target: Path) -> dict[str, Any]:
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
    return {"float": "float32", "double": "float64"}.get(onnx_name, onnx_name)


def _type_text(dtype: str, shape: str) -> str:
    """A type with the shape where `--input` has it: "list(float32[n, 3])"."""
    name, bracket, closing = _dtype_name(dtype).partition(")")
    if shape == "?":
        shape = "" if bracket else "[...]"
    return f"{name}{shape}{bracket}{closing}"


def _print_report(exported: Exported, model: str, target: Path) -> None:
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
