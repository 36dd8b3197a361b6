"""Live PyTorch objects: an archive of them in memory, their tensors as arrays, their results.

The only module that imports torch, and it is imported only once there is something live at hand.
A module is traced on the way; afterwards it is what it was: the same tensors with the same values,
each submodule in its own mode, the same class, the same hooks.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from io import BytesIO
from typing import Any, BinaryIO, NamedTuple

import ml_dtypes
import numpy as np
import torch
from torch import nn

from exporter.archive import Device
from exporter.conversion.boundary.specs import (
    Fixed,
    OptionalSpec,
    SequenceSpec,
    TensorSpec,
    data_type,
)
from exporter.errors import ConversionError, InputError
from exporter.live_calls import Adapter
from exporter.verification.results import Part
from exporter.verification.samples import array_for
from symbolics.rules import scalar_type

__all__ = ["Saved", "ArchiveProgram", "to_archive", "to_arrays", "flat_arrays"]

MODES = ("eval", "preserve", "train")

# What NumPy has no type of its own for: integers of the same width, and the type to see in them.
_EXTENSION_TYPES: dict[torch.dtype, tuple[torch.dtype, Any]] = {
    getattr(torch, name): (as_integer, getattr(ml_dtypes, name))
    for name, as_integer in [
        ("bfloat16", torch.int16),
        ("float8_e4m3fn", torch.uint8),
        ("float8_e4m3fnuz", torch.uint8),
        ("float8_e5m2", torch.uint8),
        ("float8_e5m2fnuz", torch.uint8),
        ("float8_e8m0fnu", torch.uint8),
    ]
    if hasattr(torch, name)
}
_FROM_EXTENSION = {
    np.dtype(numpy_type): (as_integer, dtype)
    for dtype, (as_integer, numpy_type) in _EXTENSION_TYPES.items()
}


class Saved(NamedTuple):
    """An archive, and the arguments that its method takes for those that were given.

    Tracing leaves out what is no tensor (None, strings) and passes the rest by position.
    """

    content: bytes
    args: tuple[Any, ...] | None
    kwargs: dict[str, Any]
    warnings: list[str]
    program: torch.jit.ScriptModule | torch.jit.ScriptFunction
    names: Mapping[str, str] = {}
    """What a trace's parameters are in the call that was given: `d_a` is `d.a`."""
    result_names: Sequence[str] = ()
    """What the tensors of a trace's result are in what the module returned."""
    baked: frozenset[str] = frozenset()
    """The constants that the trace was made with, so that it has no such parameters."""


def to_archive(
    model: object,
    args: Sequence[Any] | None = None,
    kwargs: Mapping[str, Any] | None = None,
    training: str = "eval",
    method: str = "forward",
    constants: Mapping[str, Any] | None = None,
) -> Saved:
    """Save a live object in memory; a plain module is traced with the arguments first.

    `constants` are arguments of that call as well, whose values stay in the trace.

    Scripted and traced objects are saved as they are. The training flags in their archive are
    those of the object: whoever reads it sets them by `training`.
    """
    if training not in MODES:
        raise InputError(f"training is one of {', '.join(MODES)}, not {training!r}")
    if isinstance(model, (nn.DataParallel, nn.parallel.DistributedDataParallel)):
        raise InputError(
            f"a {type(model).__name__} can't be exported",
            ("export the module that it wraps: model.module",),
        )
    if isinstance(model, (torch.jit.ScriptModule, torch.jit.ScriptFunction)):
        given = None if args is None else tuple(to_arrays(args))
        named = dict(to_arrays(kwargs or {}))
        if isinstance(model, torch.jit.ScriptFunction):
            named |= _defaults(model, given or (), named)
        return Saved(_saved(model), given, named, [], model)
    if not isinstance(model, nn.Module):
        raise InputError(
            f"an object of type {type(model).__name__} can't be exported: give an nn.Module, "
            "a ScriptModule, a ScriptFunction, or the path, bytes or file object of an archive"
        )
    if args is None and not kwargs and not constants:
        raise InputError(
            f"{type(model).__name__} must be traced, and there are no arguments to trace it with",
            ("give example arguments, or script the module: torch.jit.script(module)",),
        )
    return _traced(
        model, tuple(args or ()), dict(kwargs or {}), training, method, dict(constants or {})
    )


def _defaults(
    function: torch.jit.ScriptFunction, args: Sequence[Any], kwargs: Mapping[str, Any]
) -> dict[str, Fixed]:
    """The defaults that a call leaves to a function: its archive doesn't have them."""
    return {
        parameter.name: Fixed(to_arrays(parameter.default_value))
        for parameter in function.schema.arguments[len(args) :]
        if parameter.has_default_value() and parameter.name not in kwargs
    }


def _traced(
    model: nn.Module,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    training: str,
    method: str,
    constants: dict[str, Any],
) -> Saved:
    if not callable(getattr(model, method, None)):
        raise InputError(f"{type(model).__name__} has no method {method!r}")
    examples = _Examples()
    adapter = Adapter(model, method, examples.tensors(args), examples.tensors(kwargs), constants)
    notes: list[str] = []
    with (
        _restored(model),
        _mode(model, training),
        _recorded_notes(notes),
        _noted_assignments(model, notes),
    ):
        try:
            with _plain_operators(), torch.no_grad(), adapter.installed():
                traced = torch.jit.trace_module(
                    model,
                    {method: adapter.arguments},
                    check_trace=False,
                    strict=False,
                )
        except Exception as error:
            reason = str(error).strip() or type(error).__name__
            raise ConversionError(
                f"tracing {type(model).__name__}.{method} failed: {reason.splitlines()[0]}",
                (
                    *(f"  {line}" for line in reason.splitlines()[1:12]),
                    "a module that can't be traced may still script: torch.jit.script(module)",
                ),
            ) from error
    # The traced module shares its tensors with the model: only now they are those of the start.
    return Saved(
        _saved(traced),
        examples.arrays(adapter.arguments),
        {},
        notes,
        traced,
        adapter.names,
        adapter.result_names,
        frozenset(constants),
    )


def _saved(model: torch.jit.ScriptModule | torch.jit.ScriptFunction) -> bytes:
    try:
        if hasattr(model, "save_to_buffer"):
            content: bytes = model.save_to_buffer()
            return content
        buffer = BytesIO()
        torch.jit.save(model, buffer)
    except RuntimeError as error:
        reason = str(error).strip().splitlines()
        raise ConversionError(
            f"PyTorch can't save {type(model).__name__}: {reason[0]}", tuple(reason[1:12])
        ) from error
    return buffer.getvalue()


@contextmanager
def _restored(model: nn.Module) -> Iterator[None]:
    """Afterwards each submodule holds the same objects as before, and tensors the same values.

    A forward may write to them (running statistics, a cached state), replace them or add to them.
    """
    held: list[Any] = []
    for module in model.modules():
        if isinstance(module, torch.jit.ScriptModule):
            # Its containers are views of the C++ module; its tensors are restored by value.
            held.append([*module.parameters(recurse=False), *module.buffers(recurse=False)])
            continue
        held += [module._parameters, module._buffers, module.__dict__]
        held += [value for value in module.__dict__.values() if type(value) in (dict, list)]
    before = [content.copy() for content in held]
    tensors = {
        id(value): value
        for content in held
        for value in (content.values() if isinstance(content, dict) else content)
        if isinstance(value, torch.Tensor)
    }
    with torch.no_grad():
        values = {key: tensor.detach().clone() for key, tensor in tensors.items()}
    try:
        yield
    finally:
        for content, old in zip(held, before, strict=True):
            if isinstance(content, dict):
                for name in content.keys() - old.keys():
                    del content[name]
                content.update(old)
            else:
                content[:] = old
        with torch.no_grad():
            # Not by `_version`: batch normalization writes its statistics without counting.
            for key, value in values.items():
                if not torch.equal(tensors[key], value):
                    tensors[key].copy_(value)


@contextmanager
def _noted_assignments(model: nn.Module, notes: list[str]) -> Iterator[None]:
    """Note which attributes are replaced: a trace records writes into tensors, not assignments."""
    before = _held_values(model)
    yield
    after = _held_values(model)
    assigned = [
        name
        for name, value in before.items()
        if name in after and after[name] is not value and not _equal_numbers(after[name], value)
    ]
    if assigned:
        notes.append(
            f"{', '.join(assigned)}: assigned while tracing, which a trace does not record, so "
            "every call starts with what is there now; torch.jit.script(module) keeps such state"
        )


def _held_values(model: nn.Module) -> dict[str, Any]:
    """Tensors and numbers that the modules hold, by qualified name."""
    return {
        f"{path}.{name}" if path else name: value
        for path, module in model.named_modules()
        if not isinstance(module, torch.jit.ScriptModule)
        for held in (module._buffers, module.__dict__)
        for name, value in held.items()
        if isinstance(value, (torch.Tensor, int, float)) and name != "training"
    }


def _equal_numbers(a: Any, b: Any) -> bool:
    return not isinstance(a, torch.Tensor) and not isinstance(b, torch.Tensor) and bool(a == b)


@contextmanager
def _mode(model: nn.Module, training: str) -> Iterator[None]:
    """Put the module in the mode asked for; afterwards each submodule has its own again."""
    flags = [(module, module.training) for module in model.modules()]
    try:
        if training != "preserve":
            model.train(training == "train")
        yield
    finally:
        for module, flag in flags:
            module.training = flag


@contextmanager
def _plain_operators() -> Iterator[None]:
    """Trace operators that other runtimes know, and see into autograd functions.

    nn.TransformerEncoder and nn.MultiheadAttention have fused operators for inference, and a
    trace of a `torch.autograd.Function` is a call to Python, which no archive holds.
    """
    fast = torch.backends.mha.get_fastpath_enabled()
    apply = torch.autograd.Function.__dict__["apply"]
    torch.backends.mha.set_fastpath_enabled(False)
    torch.autograd.Function.apply = classmethod(_forward_of)
    try:
        yield
    finally:
        torch.autograd.Function.apply = apply
        torch.backends.mha.set_fastpath_enabled(fast)


class _Context:
    """What a `torch.autograd.Function` gets as `ctx`, where there is no backward pass."""

    def __init__(self, args: tuple[Any, ...]) -> None:
        self.needs_input_grad = (False,) * len(args)

    def __getattr__(self, name: str) -> Callable[..., None]:
        if name in (
            "save_for_backward",
            "save_for_forward",
            "mark_dirty",
            "mark_non_differentiable",
            "set_materialize_grads",
        ):
            return lambda *_: None
        raise AttributeError(name)


def _forward_of(function: Any, *args: Any) -> Any:
    context = _Context(args)
    if function.setup_context is torch.autograd.Function.setup_context:
        return function.forward(context, *args)
    result = function.forward(*args)
    function.setup_context(context, args, result)
    return result


@contextmanager
def _recorded_notes(notes: list[str]) -> Iterator[None]:
    """Collect what the tracer warns of; other warnings of the user's code are passed on."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield
    for warning in caught:
        if issubclass(warning.category, torch.jit.TracerWarning):
            reason = str(warning.message).partition(" We can't record")[0]
            note = f"{warning.filename}:{warning.lineno}: {reason}"
            if note not in notes:
                notes.append(note)
        elif not issubclass(warning.category, DeprecationWarning):
            warnings.warn_explicit(
                warning.message, warning.category, warning.filename, warning.lineno
            )


def to_arrays(value: Any) -> Any:
    """Tensors as arrays, in nested tuples, lists and dicts.

    Devices and dtypes become what archives hold for them; all else is left as it is.
    """
    if isinstance(value, torch.Tensor):
        return _array(value)
    if isinstance(value, torch.device):
        return Device(str(value))
    if isinstance(value, torch.dtype):
        return Fixed(scalar_type(data_type(str(value).removeprefix("torch."))))
    return _mapped(to_arrays, value)


def _array(tensor: torch.Tensor) -> np.ndarray[Any, Any]:
    if tensor.is_quantized:
        raise InputError(
            "a quantized tensor as argument, which no ONNX input is; quantize it in the module"
        )
    if tensor.layout is not torch.strided:
        raise InputError("a sparse tensor as argument")
    tensor = tensor.detach().cpu().resolve_conj().resolve_neg()
    if tensor.dtype in _EXTENSION_TYPES:
        as_integer, numpy_type = _EXTENSION_TYPES[tensor.dtype]
        viewed: np.ndarray[Any, Any] = tensor.contiguous().view(as_integer).numpy().view(numpy_type)
        return viewed
    array: np.ndarray[Any, Any] = tensor.numpy()
    return array


def _tensor(array: np.ndarray[Any, Any]) -> torch.Tensor:
    if array.dtype in _FROM_EXTENSION:
        as_integer, dtype = _FROM_EXTENSION[array.dtype]
        bits = array.view(np.int16 if as_integer is torch.int16 else np.uint8)
        return torch.from_numpy(bits.copy()).view(dtype)
    return torch.from_numpy(np.array(array))


class _Examples:
    """Arguments as tensors to trace with, and back as what the conversion is to know of them."""

    def __init__(self) -> None:
        self._specs: dict[int, TensorSpec] = {}

    def tensors(self, value: Any) -> Any:
        """Arrays, numbers and specs as tensors.

        A number is a tensor without dims, so that it stays an input. A spec's values are made up.
        """
        if isinstance(value, (np.ndarray, np.generic)):
            return _tensor(np.asarray(value))
        if isinstance(value, (bool, int)):
            return torch.tensor(value)
        if isinstance(value, float):
            return torch.tensor(value, dtype=torch.float32)
        if isinstance(value, (SequenceSpec, OptionalSpec)):
            raise InputError(
                f"a trace has a fixed number of inputs, so {value} can't be one of them",
                ("script the module: torch.jit.script(module)",),
            )
        if isinstance(value, TensorSpec):
            if value.shape is None:
                raise InputError(
                    f"a trace is of tensors with a known number of dims, not of {value}"
                )
            tensor = _tensor(array_for(value.dtype, value.shape))
            self._specs[id(tensor)] = value
            return tensor
        return _mapped(self.tensors, value)

    def arrays(self, value: Any) -> Any:
        """The tensors as arrays, those made up as the specs that they were."""
        if isinstance(value, torch.Tensor):
            return self._specs[id(value)] if id(value) in self._specs else _array(value)
        return _mapped(self.arrays, value)


def _mapped(change: Callable[[Any], Any], value: Any) -> Any:
    """The items of a tuple, list or dict, changed; all else is left as it is."""
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        # Past a constructor of its own, such as PackedSequence's, which takes tensors only.
        return tuple.__new__(type(value), map(change, value))
    if isinstance(value, (list, tuple)):
        return type(value)(map(change, value))
    if isinstance(value, Mapping):
        return {key: change(item) for key, item in value.items()}
    return value


def flat_arrays(value: Any) -> list[np.ndarray[Any, Any]]:
    """The tensors and numbers of a result in order, depth-first; None and strings drop out."""
    if isinstance(value, torch.Tensor):
        return [np.array(_array(value))]
    if isinstance(value, bool):
        return [np.asarray(value)]
    if isinstance(value, int):
        return [np.asarray(value, np.int64)]
    if isinstance(value, (float, complex)):
        return [np.asarray(value)]
    if isinstance(value, Mapping):
        return [array for item in value.values() for array in flat_arrays(item)]
    if isinstance(value, (list, tuple)):
        return [array for item in value for array in flat_arrays(item)]
    return []


def _parts(value: Any) -> Iterator[Part]:
    if isinstance(value, Mapping):
        value = tuple(value.values())
    if isinstance(value, list) and all(
        isinstance(item, (torch.Tensor, bool, int, float)) for item in value
    ):
        yield flat_arrays(value)
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from _parts(item)
    else:
        yield from flat_arrays(value)


class ArchiveProgram:
    """An archive that PyTorch runs: a fresh copy, whose state changes from call to call."""

    def __init__(
        self,
        source: str | os.PathLike[str] | bytes | memoryview | BinaryIO,
        method: str = "forward",
        training: str = "eval",
    ) -> None:
        """Load the archive onto the CPU."""
        if isinstance(source, (bytes, bytearray, memoryview)):
            source = BytesIO(source)
        elif isinstance(source, os.PathLike):
            source = os.fspath(source)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            self._module = torch.jit.load(source, map_location="cpu")
        if training != "preserve":
            self._module.train(training == "train")
        self._method = method
        # A program that asks for gradients runs only where they are recorded.
        graph = getattr(self._module, method).inlined_graph
        self._differentiates = bool(graph.findAllNodes("aten::grad"))

    def __call__(
        self, args: Sequence[Any], kwargs: Mapping[str, Any]
    ) -> list[np.ndarray[Any, Any]]:
        """Run the method on arrays and numbers; the result's tensors in order."""
        return flat_arrays(self._run(args, kwargs))

    def parts(self, arguments: Mapping[str, Any]) -> list[Part]:
        """Run the method; the result's tensors in order, those of a list together."""
        return list(_parts(self._run((), arguments)))

    def _run(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
        with torch.set_grad_enabled(self._differentiates):
            return getattr(self._module, self._method)(
                *(_run_argument(value) for value in args),
                **{name: _run_argument(value) for name, value in kwargs.items()},
            )

    def state(self, name: str) -> list[Part]:
        """The tensors of an attribute, by what the model calls it; those of a list together.

        There are none where it is None or a string, or in something that is None.
        """
        value: Any = self._module
        for part in name.removeprefix("self.").split("."):
            if value is None and part != "present":
                return []
            if isinstance(value, Mapping) and part in value:
                value = value[part]
            elif isinstance(value, (list, tuple)) and part.isdecimal():
                value = value[int(part)]
            elif part == "present" and not hasattr(value, part):
                value = value is not None
            else:
                value = getattr(value, part)
        return list(_parts(value))


def _run_argument(value: Any) -> Any:
    """Arrays as tensors; numbers stay numbers."""
    if isinstance(value, (np.ndarray, np.generic)):
        return _tensor(np.asarray(value))
    if isinstance(value, Device):
        return torch.device(value.name)
    return _mapped(_run_argument, value)
