"""What `ts2onnx MODEL.pt` does: converts, verifies where asked to, and writes the result."""

from __future__ import annotations

import os
import runpy
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import click
import numpy as np

from exporter import deferred_sympy  # noqa: F401  # first: it imports onnx_ir
from exporter.archive import Archive, open_archive
from exporter.commands import notation, report
from exporter.commands.outcome import print_json
from exporter.commands.progress import Progress
from exporter.torchscript.program import Program

if TYPE_CHECKING:
    from exporter.api import Exported
    from exporter.conversion.boundary.state import InitialState
    from exporter.verification import Tolerance, Verification

__all__ = ["run"]

_Arrays: TypeAlias = dict[str, np.ndarray[Any, Any]] | list[np.ndarray[Any, Any]]

_EXTERNAL_DATA: dict[str, bool | str] = {"auto": "auto", "embed": False, "external": True}


def run(
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
    """Convert `model` as the options say."""
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

    archive = open_archive(model)
    from exporter.api import export  # noqa: PLC0415  only here: what is no archive needs none of it

    with Progress(f"converting {model}", shown=not (quiet or as_json)) as progress:
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
        print_json(report.described(exported, model, target))
    elif not quiet:
        report.print_report(exported, model, target)


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
