"""`export`: the one way in. The command calls it too."""

from __future__ import annotations

import os
import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple

import onnx_ir as ir

from exporter import parameters
from exporter.archive import Archive, open_archive
from exporter.collector import collector_paused
from exporter.conversion.boundary.specs import TensorSpec
from exporter.conversion.convert import Conversion, Request, convert, metadata
from exporter.conversion.interpreter import Options
from exporter.errors import InputError
from exporter.onnx_graph.model import finish
from exporter.onnx_graph.writing import require_target, require_way, write
from exporter.torchscript.loaded import Loaded
from symbolics.registry import import_families, require_fit, symbolic

if TYPE_CHECKING:
    from exporter.conversion.boundary.state import InitialState
    from exporter.verification import Verification

__all__ = ["Exported", "Report", "export", "load", "register_symbolic"]


@dataclass
class Report:
    """What was done."""

    opset: int
    inputs: list[tuple[str, str, str]]
    outputs: list[tuple[str, str, str]]
    state: list[str] = field(default_factory=list)
    operators: Counter[str] = field(default_factory=Counter)
    warnings: list[str] = field(default_factory=list)
    preconditions: list[str] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def node_count(self) -> int:
        """Nodes of the graph, those of bodies included."""
        return sum(self.operators.values())


@dataclass
class Exported:
    """An ONNX model, what was done to get it, and the initial values of its state."""

    model: ir.Model
    report: Report
    initial_state: InitialState = field(default_factory=dict)
    verification: Verification | None = None
    archive: Archive | None = field(default=None, repr=False)
    written: Callable[[], Sequence[str]] = field(default=tuple, repr=False)
    """Which of a live module's parameters, whose memory the model shares, have changed since."""
    request: Request | None = field(default=None, repr=False)
    """What was converted and how, for a verification that fails."""

    def save(
        self, path: str | os.PathLike[str] | BinaryIO, external_data: bool | str = "auto"
    ) -> None:
        """Write the model, atomically; weights beside it if it passes 2 GB or if told to.

        "reference" leaves weights in the archive, which must lie in the model's folder or below.
        """
        if changed := self.written():
            more = f" and {len(changed) - 3} more" if len(changed) > 3 else ""
            raise InputError(
                f"{', '.join(changed[:3])}{more}: written to since the export, and the model "
                "shares the module's memory",
                ("export the module again, or without a path to have copies",),
            )
        write(self.model, path, external_data=external_data, source=self.archive)


def register_symbolic(
    schema: str, function: Callable[..., Any] | None = None, *, replace: bool = False
) -> Callable[..., Any]:
    """Register how an operator converts, by its whole schema: `"mylib::op(Tensor x) -> Tensor"`.

    `function(g, ...)` takes the builder and the schema's arguments; without it this is a
    decorator.

    A text that is no schema, a function that does not take its arguments, and a second registration
    of an overload are ValueErrors; the last unless `replace` says that it is meant.
    """

    def register(function: Callable[..., Any]) -> Callable[..., Any]:
        require_fit(schema, function)
        import_families()  # before, so that a second registration is noticed here
        return symbolic(schema, replace=replace)(function)

    return register if function is None else register(function)


def load(
    source: str | os.PathLike[str] | bytes | BinaryIO, *, script_module: int | None = None
) -> Archive:
    """Open a TorchScript archive, to look into or to convert.

    Of a torch.package that has several ScriptModules, `script_module` is the number of one.
    """
    return open_archive(source, script_module)


def export(
    model: Any,
    args: Any = None,
    path: str | os.PathLike[str] | BinaryIO | None = None,
    *,
    kwargs: Mapping[str, Any] | None = None,
    input_names: Sequence[str] | None = None,
    output_names: Sequence[str] | None = None,
    dynamic_axes: Mapping[str, Mapping[int, str] | Sequence[int]] | None = None,
    opset_version: int | None = parameters.DEFAULT_OPSET,
    do_constant_folding: bool = True,
    export_params: bool = True,
    keep_initializers_as_inputs: bool = False,
    training: Any = "eval",
    verbose: bool = False,
    custom_opsets: Mapping[str, int] | None = None,
    method: str = "forward",
    constants: Mapping[str, Any] | None = None,
    state: Mapping[str, TensorSpec] | None = None,
    freeze_state: bool = False,
    unroll_trips: int = 64,
    verify: bool = False,
    external_data: bool | str = "auto",
) -> Exported:
    """Convert a TorchScript program to ONNX, and write it to `path` if one is given.

    `model` is a path, bytes or file object of an archive, what `load` gave, or a live `nn.Module`
    (which is traced), `ScriptModule` or `ScriptFunction`; `method` is the one that is converted.
    `args` and `kwargs` are example arguments: tensors, arrays, numbers, nested tuples, lists and
    dicts of them, or `TensorSpec`s; a traced archive brings its own. Numbers are inputs of the
    model: `constants` binds arguments by name instead.

    As in `torch.onnx.export` are names, `dynamic_axes`, the opset (9 to 26), `export_params`,
    `keep_initializers_as_inputs`, `do_constant_folding`, `custom_opsets` and `training`, which is
    "eval", "preserve" or "train", or one of its `TrainingMode`s. `verbose` writes into each node
    where it comes from. Loops of a known number of trips are unrolled up to `unroll_trips`.

    What the method writes is state, inputs and outputs of the model. `state` declares its type
    where that differs from the archived value's, and what the method only reads and another one
    writes; `freeze_state` keeps all of it constant.

    `verify` runs the result before it is written. `external_data` writes weights beside the model
    ("auto" where it would pass 2 GB), or, as "reference", leaves them in the archive, and then
    changes none of them.

    Raises an `ExportError`, and an `OSError` where the file can't be written.
    """
    started = time.perf_counter()
    opset = parameters.opset(opset_version)
    mode = parameters.training_mode(training)
    positional = parameters.positional(args)
    named = parameters.by_name("kwargs", kwargs)
    fixed = parameters.by_name("constants", constants)
    declared = parameters.state_types(state)
    if freeze_state and declared:
        raise InputError("freeze_state leaves no state whose type `state` could declare")
    names = [parameters.names("input_names", input_names)]
    names.append(parameters.names("output_names", output_names))
    axes = parameters.dynamic_axes(dynamic_axes)
    domains = parameters.custom_opsets(custom_opsets)
    options = Options(unroll_trips=parameters.trips("unroll_trips", unroll_trips))
    require_way(external_data)
    if path is not None:
        require_target(path)
    with collector_paused():
        source = _source(model, positional, named, mode, method, fixed, bound=path is not None)
        archive = source.archive
        if external_data == "reference" and (archive is None or archive.path is None):
            raise InputError(
                "weights can be left in place only in an archive that is given by its path: "
                "write a live module with torch.jit.save before"
            )
        request = Request(
            loaded=source.loaded,
            method=method,
            args=source.args,
            kwargs=source.kwargs,
            constants=source.constants,
            input_names=names[0],
            output_names=names[1],
            dynamic_axes=axes,
            opset=opset,
            fold=do_constant_folding,
            training=parameters.TRAINING_FLAGS[mode],
            state=declared,
            freeze_state=freeze_state,
            options=options,
            argument_names=source.names,
            result_names=source.result_names,
        )
        conversion = convert(request)
        result = _finished(
            conversion,
            export_params,
            keep_initializers_as_inputs,
            verbose,
            domains,
            fold_weights=external_data != "reference",
        )
    result.archive, result.written, result.request = archive, source.written, request
    result.report.warnings[:0] = source.warnings
    result.report.seconds = time.perf_counter() - started
    if verify:
        from exporter.verification import CallPlan, verify_export  # noqa: PLC0415  starts onnxruntime

        plan = CallPlan.of(source.loaded, method, source.args, source.kwargs, source.constants)
        result.verification = verify_export(
            result, plan, pytorch=source.loadable(), method=method, training=mode
        )
    if path is not None:
        result.save(path, external_data)
    return result


class _Source(NamedTuple):
    """What is converted: a program, and arguments that are arrays, numbers and specs."""

    loaded: Loaded
    archive: Archive | None
    """Where the program was read from, None for a live object."""
    loadable: Callable[[], str | os.PathLike[str] | bytes | memoryview]
    """What PyTorch can load it from."""
    args: Sequence[Any] | None
    kwargs: dict[str, Any]
    constants: dict[str, Any]
    warnings: list[str]
    names: Mapping[str, str] = {}
    result_names: Sequence[str] = ()
    written: Callable[[], Sequence[str]] = tuple


def _source(
    model: Any,
    args: Sequence[Any] | None,
    kwargs: dict[str, Any],
    training: str,
    method: str,
    constants: dict[str, Any],
    *,
    bound: bool,
) -> _Source:
    is_archive = isinstance(model, (str, os.PathLike, bytes, bytearray, memoryview, Archive))
    # A module may have a method `read` of its own.
    is_file = hasattr(model, "read") and not _is_of_torch(model)
    if "torch" in sys.modules and not is_archive and not is_file:
        return _live_source(model, args, kwargs, training, method, constants, bound=bound)
    archive = model if isinstance(model, Archive) else open_archive(model)
    if _has_tensors((args, kwargs, constants)):
        from exporter import live  # noqa: PLC0415  imports torch, which is there already

        args, kwargs, constants = map(live.to_arrays, (args, kwargs, constants))
    loaded = Loaded.of(archive)
    return _Source(loaded, archive, lambda: archive.loadable, args, kwargs, constants, [])


def _live_source(
    model: Any,
    args: Sequence[Any] | None,
    kwargs: dict[str, Any],
    training: str,
    method: str,
    constants: dict[str, Any],
    *,
    bound: bool,
) -> _Source:
    from exporter import live  # noqa: PLC0415  import torch, which is there already

    call = live.Call(model, args, kwargs, training, method, constants)
    found = live.to_program(call, bound=bound)
    left = {name: value for name, value in constants.items() if name not in found.baked}
    return _Source(
        found.loaded,
        None,
        found.content,
        found.args,
        found.kwargs,
        live.to_arrays(left),
        found.warnings,
        found.names,
        found.result_names,
        found.written,
    )


def _is_of_torch(value: Any) -> bool:
    """Whether this is a module, tensor or the like, without importing torch to know."""
    return any(base.__module__.partition(".")[0] == "torch" for base in type(value).__mro__)


def _has_tensors(value: Any) -> bool:
    if isinstance(value, (list, tuple)):
        return any(map(_has_tensors, value))
    if isinstance(value, Mapping):
        return any(map(_has_tensors, value.values()))
    return _is_of_torch(value)


def _finished(
    conversion: Conversion,
    export_params: bool,
    keep_initializers_as_inputs: bool,
    verbose: bool,
    custom_opsets: Mapping[str, int],
    fold_weights: bool,
) -> Exported:
    builder = conversion.builder
    builder.domains.update(custom_opsets)
    model = finish(
        builder,
        conversion.inputs,
        conversion.outputs,
        metadata=metadata(conversion),
        export_params=export_params,
        keep_initializers_as_inputs=keep_initializers_as_inputs,
        source_locations=verbose,
        fold_weights=fold_weights,
    )
    report = Report(
        builder.opset,
        [_described(v) for v in model.graph.inputs],
        [_described(v) for v in model.graph.outputs],
        list(conversion.initial_state),
        Counter(node.op_type for node in model.graph.all_nodes()),
        conversion.warnings,
        conversion.preconditions,
    )
    return Exported(model, report, conversion.initial_state)


def _described(value: ir.Value) -> tuple[str, str, str]:
    """Name, dtype and shape; of a list or an optional, those of what it holds, and the word."""
    dtype = value.dtype.name.lower() if value.dtype is not None else "?"
    type_ = value.type
    optional = isinstance(type_, ir.OptionalType)
    if isinstance(type_, ir.OptionalType):
        type_ = type_.elem_type
    if isinstance(type_, ir.SequenceType):
        dtype = f"list({dtype})"
    if optional:
        dtype = f"optional({dtype})"
    shape = "?"
    if value.shape is not None:
        dims = (d if isinstance(d, int) else d.value or "?" for d in value.shape)
        shape = f"[{', '.join(map(str, dims))}]"
    return str(value.name), dtype, shape
