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

from exporter.archive import Archive, open_archive
from exporter.collector import collector_paused
from exporter.conversion.boundary.specs import TensorSpec
from exporter.conversion.convert import Conversion, Request, convert, metadata
from exporter.conversion.interpreter import Options
from exporter.errors import InputError
from exporter.onnx_graph.model import finish
from exporter.onnx_graph.writing import require_way, write
from symbolics.registry import import_families, symbolic

if TYPE_CHECKING:
    from exporter.conversion.boundary.signature import DynamicAxes
    from exporter.conversion.boundary.state import InitialState
    from exporter.verification import Verification

__all__ = ["Exported", "Report", "export", "load", "register_symbolic"]

OLDEST_OPSET, DEFAULT_OPSET, NEWEST_OPSET = 9, 20, 26

_TRAINING = {"eval": False, "preserve": None, "train": True}
#: What `torch.onnx.TrainingMode` calls them.
_TRAINING_MODES = {"EVAL": "eval", "PRESERVE": "preserve", "TRAINING": "train"}


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

    def save(
        self, path: str | os.PathLike[str] | BinaryIO, external_data: bool | str = "auto"
    ) -> None:
        """Write the model, atomically; weights beside it if it passes 2 GB or if told to.

        "reference" leaves weights in the archive, which must lie in the model's folder or below.
        """
        write(self.model, path, external_data=external_data, source=self.archive)


def register_symbolic(
    schema: str, function: Callable[..., Any] | None = None, *, replace: bool = False
) -> Callable[..., Any]:
    """Register how an operator converts, by its whole schema: `"mylib::op(Tensor x) -> Tensor"`.

    `function(g, ...)` takes the builder and the schema's arguments; without it this is a
    decorator.
    A second registration of an overload is a ValueError, unless `replace` says that it is meant.
    """
    import_families()  # before, so that a second registration is noticed here
    register = symbolic(schema, replace=replace)
    return register if function is None else register(function)


def load(source: str | os.PathLike[str] | bytes | BinaryIO) -> Archive:
    """Open a TorchScript archive to look into."""
    return open_archive(source)


def export(
    model: Any,
    args: Any = None,
    path: str | os.PathLike[str] | BinaryIO | None = None,
    *,
    kwargs: Mapping[str, Any] | None = None,
    input_names: Sequence[str] | None = None,
    output_names: Sequence[str] | None = None,
    dynamic_axes: Mapping[str, Mapping[int, str] | Sequence[int]] | None = None,
    opset_version: int | None = DEFAULT_OPSET,
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

    `model` is a path, bytes or file object of an archive, or a live `nn.Module` (which is traced),
    `ScriptModule` or `ScriptFunction`. `args` are example arguments: tensors, arrays, numbers,
    nested tuples, lists and dicts of them, or `TensorSpec`s; a traced archive brings its own.
    Names, dynamic axes, opset and the flags mean what they mean in `torch.onnx.export`; `training`
    is "eval", "preserve" or "train", or one of its `TrainingMode`s.

    `constants` binds arguments by name; `state` declares the type of a state where it differs from
    the archived value's, and what the method only reads and another one writes; `freeze_state`
    keeps all state constant. `external_data` writes weights beside the model, or, as "reference",
    leaves them in the archive, and then changes none of them. Raises an `ExportError`.
    """
    started = time.perf_counter()
    opset = DEFAULT_OPSET if opset_version is None else opset_version
    if type(opset) is not int:
        raise InputError(f"opset_version is a whole number, not {opset!r}")
    if not OLDEST_OPSET <= opset <= NEWEST_OPSET:
        raise InputError(
            f"opset {opset} is not supported; opsets {OLDEST_OPSET} to {NEWEST_OPSET} are"
        )
    training = _TRAINING_MODES.get(getattr(training, "name", ""), training)
    if training not in _TRAINING:
        raise InputError(f'training is "eval", "preserve" or "train", not {training!r}')
    if freeze_state and state:
        raise InputError("freeze_state leaves no state whose type `state` could declare")
    require_way(external_data)
    arguments = _argument_tuple(args)
    with collector_paused():
        source = _source(model, arguments, dict(kwargs or {}), training, method, constants or {})
        if external_data == "reference" and source.archive.path is None:
            raise InputError(
                "weights can be left in place only in an archive that is given by its path: "
                "write a live module with torch.jit.save before"
            )
        bound = {name: v for name, v in (constants or {}).items() if name not in source.baked}
        request = Request(
            archive=source.archive,
            method=method,
            args=source.args,
            kwargs=source.kwargs,
            constants=bound,
            input_names=input_names,
            output_names=output_names,
            dynamic_axes=_dynamic_axes(dynamic_axes),
            opset=opset,
            fold=do_constant_folding,
            training=_TRAINING[training],
            state=dict(state or {}),
            freeze_state=freeze_state,
            options=Options(unroll_trips=unroll_trips),
            argument_names=source.names,
            result_names=source.result_names,
        )
        conversion = convert(request)
        result = _finished(
            conversion,
            export_params,
            keep_initializers_as_inputs,
            verbose,
            custom_opsets,
            fold_weights=external_data != "reference",
        )
    result.archive = source.archive
    result.report.warnings[:0] = source.warnings
    result.report.seconds = time.perf_counter() - started
    if verify:
        from exporter.verification import CallPlan, verify_export  # noqa: PLC0415  starts onnxruntime

        plan = CallPlan.of(source.archive, method, source.args, source.kwargs, bound)
        result.verification = verify_export(
            result, plan, pytorch=source.content, method=method, training=training
        )
    if path is not None:
        result.save(path, external_data)
    return result


class _Source(NamedTuple):
    """What is converted: the archive, where PyTorch can load it from, and the arguments.

    The arguments are arrays, numbers and specs.
    """

    archive: Archive
    content: str | os.PathLike[str] | bytes
    args: Sequence[Any] | None
    kwargs: dict[str, Any]
    warnings: list[str]
    names: Mapping[str, str] = {}
    result_names: Sequence[str] = ()
    baked: frozenset[str] = frozenset()


def _source(
    model: Any,
    args: Sequence[Any] | None,
    kwargs: dict[str, Any],
    training: str,
    method: str,
    constants: Mapping[str, Any],
) -> _Source:
    if hasattr(model, "read"):
        name, model = str(getattr(model, "name", "the archive")), model.read()
        if not isinstance(model, bytes):
            raise InputError(f"{name} is not opened in binary mode")
        archive = Archive(memoryview(model), name)
    elif isinstance(model, (str, os.PathLike, bytes, bytearray, memoryview)):
        archive = open_archive(model)
    elif "torch" not in sys.modules:
        raise InputError(
            f"an object of type {type(model).__name__} can't be exported: "
            "give the path, bytes or file object of an archive"
        )
    else:
        from exporter import live, live_floats  # noqa: PLC0415  import torch, which is there already

        saved = live.to_archive(model, args, kwargs, training, method, constants)
        archive = open_archive(saved.content)
        archive.floats_written_as_ints = live_floats.floats_written_as_ints(
            saved.program, method, archive.code.values()
        )
        return _Source(
            archive,
            saved.content,
            saved.args,
            saved.kwargs,
            saved.warnings,
            saved.names,
            saved.result_names,
            saved.baked,
        )
    if _has_tensors((args, kwargs)):
        from exporter import live  # noqa: PLC0415  imports torch, which is there already

        args, kwargs = live.to_arrays(args), live.to_arrays(kwargs)
    return _Source(archive, model, args, kwargs, [])


def _has_tensors(value: Any) -> bool:
    if isinstance(value, (list, tuple)):
        return any(map(_has_tensors, value))
    if isinstance(value, Mapping):
        return any(map(_has_tensors, value.values()))
    return type(value).__module__.partition(".")[0] == "torch"


def _argument_tuple(args: Any) -> Sequence[Any] | None:
    if args is None or isinstance(args, (list, tuple)):
        return args
    return (args,)


def _dynamic_axes(given: Mapping[str, Mapping[int, str] | Sequence[int]] | None) -> DynamicAxes:
    """As a dict of dicts; the axes of a list get the names that torch.onnx gives them."""
    if given is not None and not isinstance(given, Mapping):
        raise InputError('dynamic_axes is a dict such as {"x": {0: "batch"}}')
    result: dict[str, dict[int, str]] = {}
    for name, axes in (given or {}).items():
        if isinstance(axes, Mapping):
            labels = dict(axes)
        elif isinstance(axes, (list, tuple, range)):
            labels = {axis: f"{name}_dynamic_axes_{k}" for k, axis in enumerate(axes, 1)}
        else:
            raise InputError(
                f"dynamic_axes of {name} is {axes!r}, neither a dict such as "
                '{0: "batch"} nor a list of axes'
            )
        for axis, label in labels.items():
            if not str(axis).removeprefix("-").isdecimal() or not (label and type(label) is str):
                raise InputError(f"dynamic_axes of {name}: {{{axis!r}: {label!r}}} names no axis")
        result[name] = {int(axis): label for axis, label in labels.items()}
    return result


def _finished(
    conversion: Conversion,
    export_params: bool,
    keep_initializers_as_inputs: bool,
    verbose: bool,
    custom_opsets: Mapping[str, int] | None,
    fold_weights: bool,
) -> Exported:
    builder = conversion.builder
    builder.domains.update(custom_opsets or {})
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
