"""What `export` takes for its parameters: each brought to one form, or refused by name.

Arguments of the program itself are bound to its declared types later, in
`conversion/boundary/argument_binding.py`.
"""

from __future__ import annotations

import operator
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from exporter.conversion.boundary.specs import TensorSpec
from exporter.errors import InputError

if TYPE_CHECKING:
    from exporter.conversion.boundary.signature import DynamicAxes

__all__ = [
    "DEFAULT_OPSET", "NEWEST_OPSET", "OLDEST_OPSET", "TRAINING_FLAGS",
    "by_name", "custom_opsets", "dynamic_axes", "names", "opset", "positional", "state_types",
    "training_mode", "trips",
]  # fmt: skip

OLDEST_OPSET, DEFAULT_OPSET, NEWEST_OPSET = 9, 20, 26

#: What a mode makes of the modules' own flags; None leaves them.
TRAINING_FLAGS = {"eval": False, "preserve": None, "train": True}
#: What `torch.onnx.TrainingMode` calls the modes.
_TRAINING_MODES = {"EVAL": "eval", "PRESERVE": "preserve", "TRAINING": "train"}


def opset(given: Any) -> int:
    """The opset, the default one for None."""
    if given is None:
        return DEFAULT_OPSET
    number = whole_number("opset_version", given)
    if not OLDEST_OPSET <= number <= NEWEST_OPSET:
        raise InputError(
            f"opset {number} is not supported; opsets {OLDEST_OPSET} to {NEWEST_OPSET} are"
        )
    return number


def whole_number(what: str, given: Any) -> int:
    """An int, or what can be used as one: NumPy's integers, but no bool and no float."""
    try:
        number = operator.index(given)
    except TypeError:
        number = None
    if number is None or isinstance(given, bool):
        raise InputError(f"{what} is a whole number, not {given!r}")
    return number


def trips(what: str, given: Any) -> int:
    """A number of trips of a loop."""
    number = whole_number(what, given)
    if number < 0:
        raise InputError(f"{what} is a number of trips, not {number}")
    return number


def training_mode(given: Any) -> str:
    """The key in `TRAINING_FLAGS`."""
    mode = _TRAINING_MODES.get(str(getattr(given, "name", "")), given)
    if not isinstance(mode, str) or mode not in TRAINING_FLAGS:
        raise InputError(f'training is "eval", "preserve" or "train", not {given!r}')
    return mode


def positional(given: Any) -> Sequence[Any] | None:
    """The arguments of a call: those of a list or tuple, or a single one."""
    if given is None or isinstance(given, (list, tuple)):
        return given
    return (given,)


def by_name(what: str, given: Any) -> dict[str, Any]:
    """Values by the names of parameters."""
    if given is None:
        return {}
    if not isinstance(given, Mapping):
        raise InputError(f"{what} is a dict of values by name, not a {type(given).__name__}")
    return dict(given)


def names(what: str, given: Any) -> list[str] | None:
    """Different names, none of them empty; None where the model's own are meant."""
    if given is None:
        return None
    if not isinstance(given, Sequence) or isinstance(given, (str, bytes)):
        raise InputError(f"{what} is a list of names, not {given!r}")
    for name in given:
        if not isinstance(name, str):
            raise InputError(f"{what} has {name!r}, which is no name")
    if "" in given:
        raise InputError(f"{what} has an empty name")
    twice = next((name for i, name in enumerate(given) if name in given[:i]), None)
    if twice is not None:
        raise InputError(f"{what} has the name {twice!r} twice")
    return list(given)


def state_types(given: Any) -> dict[str, TensorSpec]:
    """Types of states by name."""
    found = by_name("state", given)
    for name, spec in found.items():
        if not isinstance(spec, TensorSpec):
            raise InputError(f'state: {name} is {spec!r}, not TensorSpec("float32", (2, 128))')
    return found


def custom_opsets(given: Any) -> dict[str, int]:
    """Versions of the opsets of other domains, by domain."""
    versions = by_name("custom_opsets", given)
    return {
        domain: whole_number(f"custom_opsets: the version of {domain}", version)
        for domain, version in versions.items()
    }


def dynamic_axes(given: Any) -> DynamicAxes:
    """Names of axes, by input or output; the axes of a list get those that torch.onnx gives."""
    if given is not None and not isinstance(given, Mapping):
        raise InputError('dynamic_axes is a dict such as {"x": {0: "batch"}}')
    return {name: _labels(name, axes) for name, axes in (given or {}).items()}


def _labels(name: str, axes: Any) -> dict[int, str]:
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
    return {int(axis): label for axis, label in labels.items()}
