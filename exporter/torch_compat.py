"""`export` as `torch.onnx.export` was called: a program changes its import and nothing else.

    from exporter import torch_compat

    torch_compat.export(model, (x, {"mask": m}), "model.onnx", input_names=["x", "mask"])

The signature is that of PyTorch's TorchScript exporter, over its releases: in the order in which
everything could once be passed by position, then what came later, then what has gone. Where
`exporter.export` differs on purpose, this keeps the old meaning: a trailing dict in `args` holds
keyword arguments, a list is one argument, and a key of `dynamic_axes` that names nothing is a
warning. What can't be done here is an error, what makes no difference here a warning.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping, Sequence
from typing import Any, BinaryIO

from exporter.api import Exported
from exporter.api import export as convert
from exporter.errors import InputError

__all__ = ["export"]

#: Parameters that other releases have and that make no difference here, with their defaults.
_WITHOUT_EFFECT: dict[str, Any] = {
    "_retain_param_name": True,
    "artifacts_dir": ".",
    "dump_exported_program": False,
    "enable_onnx_checker": True,
    "example_outputs": None,
    "fallback": False,
    "optimize": True,
    "profile": False,
    "report": False,
    "strip_doc_string": True,
}
#: Those that ask for something else than the model, where they are not false.
_IMPOSSIBLE = {
    "aten": "operators of ATen are no ONNX",
    "custom_translation_table": "register an operator with exporter.register_symbolic",
    "dynamic_shapes": "name the dynamic axes in dynamic_axes",
    "export_raw_ir": "look at the program with exporter.load(...) or `ts2onnx inspect --graph`",
}


def export(
    model: Any,
    args: Any = (),
    f: str | os.PathLike[str] | BinaryIO | None = None,
    export_params: bool = True,
    verbose: bool | None = False,
    training: Any = "eval",
    input_names: Sequence[str] | None = None,
    output_names: Sequence[str] | None = None,
    operator_export_type: Any = None,
    opset_version: int | None = None,
    do_constant_folding: bool = True,
    dynamic_axes: Mapping[str, Mapping[int, str] | Sequence[int]] | None = None,
    keep_initializers_as_inputs: bool | None = None,
    custom_opsets: Mapping[str, int] | None = None,
    export_modules_as_functions: Any = False,
    autograd_inlining: bool = True,
    *,
    kwargs: Mapping[str, Any] | None = None,
    external_data: bool = True,
    use_external_data_format: bool | None = None,
    verify: bool = False,
    **others: Any,
) -> Exported:
    """Convert a model as `torch.onnx.export(..., dynamo=False)` did, and write it to `f`.

    Weights are beside the file where it would pass 2 GB, or where `use_external_data_format` says
    so; `external_data=False` forbids it. Without `opset_version` the opset is 20, the default of
    PyTorch 2.13. A parameter that no release had is a TypeError. Returns what `exporter.export`
    does; `torch.onnx.export` returned None.
    """
    _check(operator_export_type, export_modules_as_functions, autograd_inlining, others)
    positional, keywords = _call(args, kwargs)
    return convert(
        model,
        positional if positional or keywords else None,
        f,
        kwargs=keywords,
        input_names=input_names,
        output_names=output_names,
        dynamic_axes=_known_axes(dynamic_axes, [*(input_names or ()), *(output_names or ())]),
        opset_version=opset_version,
        do_constant_folding=do_constant_folding,
        export_params=export_params,
        keep_initializers_as_inputs=bool(keep_initializers_as_inputs),
        training=_mode(training),
        verbose=bool(verbose),
        custom_opsets=custom_opsets,
        verify=verify,
        external_data=True if use_external_data_format else ("auto" if external_data else False),
    )


def _call(args: Any, kwargs: Mapping[str, Any] | None) -> tuple[tuple[Any, ...], Mapping[str, Any]]:
    """The positional and the keyword arguments; `kwargs` stood for a dict at the end of `args`."""
    positional = args if isinstance(args, tuple) else (args,)
    if kwargs is not None:
        return positional, kwargs
    if positional and isinstance(positional[-1], Mapping):
        return positional[:-1], positional[-1]
    return positional, {}


def _check(
    operator_export_type: Any,
    export_modules_as_functions: Any,
    autograd_inlining: bool,
    others: Mapping[str, Any],
) -> None:
    """Refuse what can't be done, and say what makes no difference."""
    kind = getattr(operator_export_type, "name", operator_export_type)
    if kind == "ONNX_ATEN":
        raise InputError(
            "operator_export_type ONNX_ATEN can't be used here", (_IMPOSSIBLE["aten"],)
        )
    if kind not in (None, "ONNX", "RAW"):
        _warn(f"operator_export_type {kind} has no effect: an unsupported operator is an error")
    if export_modules_as_functions:
        _warn("export_modules_as_functions has no effect: modules are nodes of one graph")
    if not autograd_inlining:
        _warn("autograd_inlining has no effect: autograd functions are always inlined")
    for name, value in others.items():
        if name == "dynamo":
            continue  # there is one way to convert
        if name in _IMPOSSIBLE:
            if value:
                raise InputError(f"{name} can't be used here", (_IMPOSSIBLE[name],))
        elif name not in _WITHOUT_EFFECT:
            raise TypeError(f"export() got an unexpected keyword argument {name!r}")
        elif value != _WITHOUT_EFFECT[name]:
            _warn(f"{name} has no effect")


def _known_axes(
    dynamic_axes: Mapping[str, Mapping[int, str] | Sequence[int]] | None, names: Sequence[str]
) -> Mapping[str, Mapping[int, str] | Sequence[int]] | None:
    """Without the keys that are no given name; if no name is given they are the model's own."""
    if not names or dynamic_axes is None:
        return dynamic_axes
    unknown = [name for name in dynamic_axes if name not in names]
    if unknown:
        _warn(f"dynamic_axes: {', '.join(unknown)} is no name of an input or output; left out")
    return {name: axes for name, axes in dynamic_axes.items() if name in names}


def _mode(training: Any) -> Any:
    """Older releases took a bool, or None."""
    if training is None or isinstance(training, bool):
        return "train" if training else "eval"
    return training


def _warn(message: str) -> None:
    warnings.warn(message, UserWarning, stacklevel=4)
