"""What `ts2onnx MODEL.pt` does: converts, verifies where asked to, and writes the result."""

from __future__ import annotations

import runpy
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from exporter import deferred_sympy  # noqa: F401  # first: it imports onnx_ir
from exporter.archive import Archive, open_archive
from exporter.commands import notation, report
from exporter.commands.files import Arrays, check_targets, read_arrays, write_state
from exporter.commands.outcome import print_json
from exporter.commands.progress import Progress
from exporter.torchscript.loaded import Loaded
from exporter.torchscript.program import Program
from exporter.torchscript.types import OptionalType, StrType, Type

if TYPE_CHECKING:
    import numpy as np

    from exporter.api import Exported
    from exporter.verification import Tolerance, Verification

__all__ = ["run"]

_EXTERNAL_DATA: dict[str, bool | str] = {
    "auto": "auto",
    "embed": False,
    "external": True,
    "reference": "reference",
}


def run(
    model: str,
    *,
    output: str | None,
    inputs: tuple[str, ...],
    const: tuple[str, ...],
    dynamic: tuple[str, ...],
    opset: int,
    method: str,
    script_module: int | None,
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
    """Convert `model` as the options say."""
    target = Path(output) if output is not None else _default_output(model, method)
    state_target = None if state_out is None else Path(state_out)
    check_targets(
        [target] if state_target is None else [target, state_target],
        {"the model": model, "--inputs": input_file, "--expected": expected}
        | {f"--symbolics {file}": file for file in symbolics},
    )
    if expected is not None and input_file is None:
        raise click.UsageError("--expected needs --inputs")
    if not (verify or expected is not None or (rtol is None and atol is None)):
        raise click.UsageError("--rtol and --atol need --verify or --expected")
    if freeze_state and state_out is not None:
        raise click.UsageError("--freeze-state leaves no state for --state-out")
    specs = notation.nested(notation.specs(inputs, "--input"))
    literals = notation.constants(const)
    for name in literals:
        if name in specs:
            raise click.UsageError(f"{name} is given by --input and by --const")
    arrays = None if input_file is None else read_arrays(input_file)
    for file in symbolics:
        _run_symbolics(file)

    archive = open_archive(model, script_module)
    from exporter.api import export  # noqa: PLC0415  only here: what is no archive needs none of it

    with Progress(f"converting {model}", shown=not (quiet or as_json)) as progress:
        constants = _as_declared(archive, method, literals)
        args, kwargs = _examples(archive, method, specs, arrays)
        exported = export(
            archive,
            args,
            kwargs=kwargs or None,
            input_names=notation.names(input_names),
            output_names=notation.names(output_names),
            dynamic_axes=notation.dynamic_axes(dynamic),
            opset_version=opset,
            training=training,
            verbose=source_lines,
            method=method,
            constants=constants,
            state=notation.tensor_specs(state, "--state"),
            freeze_state=freeze_state,
            unroll_trips=unroll,
            external_data=_EXTERNAL_DATA[weights],
        )
        if verify or expected is not None:
            progress.text = "verifying"
            exported.verification = _verified(
                exported, archive, args, kwargs, method, training, constants, arrays,
                None if expected is None else read_arrays(expected), rtol, atol,
            )  # fmt: skip
        progress.text = f"writing {target}"
        exported.save(target, external_data=_EXTERNAL_DATA[weights])
        if state_target is not None:
            write_state(state_target, exported.initial_state)
    if as_json:
        print_json(report.described(exported, model, target))
    elif not quiet:
        report.print_report(exported, model, target)


def _default_output(model: str, method: str) -> Path:
    """In the current folder, as compilers do it: the archive's may not be writable."""
    stem = Path(model).stem or "model"
    return Path(f"{stem}.onnx" if method == "forward" else f"{stem}.{method}.onnx")


def _run_symbolics(file: str) -> None:
    """Run a file of the user's; what goes wrong in it is the user's to mend."""
    if not Path(file).is_file():
        raise click.UsageError(f"there is no file {file}")
    try:
        runpy.run_path(file, run_name=Path(file).stem)
    except Exception as error:
        lines = [f.lineno for f in traceback.extract_tb(error.__traceback__) if f.filename == file]
        place = f"{file}:{lines[-1]}" if lines else file
        raise click.UsageError(f"{place}: {type(error).__name__}: {error}") from error


def _parameters(archive: Archive, method: str) -> Mapping[str, Type]:
    """The declared types of a method's parameters; none if there is no such method."""
    program = Program(archive.code, archive.constants, archive.source_ranges)
    function = program.class_type(archive.root.type_name).methods.get(method)
    return {} if function is None else {p.name: p.type for p in function.parameters}


def _as_declared(
    archive: Archive, method: str, constants: Mapping[str, notation.Literal]
) -> dict[str, Any]:
    """The constants' values; for a string what was written, whatever literal it looks like."""
    declared = _parameters(archive, method) if constants else {}
    found = {}
    for name, literal in constants.items():
        wanted = declared.get(name)
        optional = isinstance(wanted, OptionalType)
        if isinstance(wanted, OptionalType):
            wanted = wanted.element
        plain = isinstance(literal.value, str) or (literal.value is None and optional)
        takes_text = isinstance(wanted, StrType) and not plain
        found[name] = literal.text if takes_text else literal.value
    return found


def _examples(
    archive: Archive, method: str, specs: Mapping[str, Any], arrays: Arrays | None
) -> tuple[list[Any] | None, dict[str, Any]]:
    """The arguments to convert with: the specs, and arrays for what neither they nor a trace tell.

    An array without dims is given as a number, which suits parameters of both kinds.
    """
    if arrays is None or archive.traced_inputs.get(method):
        return None, dict(specs)
    if isinstance(arrays, list):
        return (None, dict(specs)) if specs else ([_example(array) for array in arrays], {})
    known = _parameters(archive, method)
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
    arrays: Arrays | None,
    expected: Arrays | None,
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
    plan = CallPlan.of(Loaded.of(archive), method, args, kwargs, constants)
    if arrays is not None:
        names = [name for name, *_ in exported.report.inputs if name not in exported.initial_state]
        plan.use(names, arrays)
    return verify_export(
        exported,
        plan,
        pytorch=archive.loadable,
        method=method,
        training=training,
        tolerance=tolerance,
    )
