"""One operator, run by PyTorch on arrays."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from exporter.archive import Device
from exporter.live.arrays import flat_arrays, mapped, tensor_of

__all__ = ["run_operator"]


def run_operator(name: str, arguments: Mapping[str, Any]) -> list[np.ndarray[Any, Any]] | None:
    """The results of an operator, such as `aten::sum.dim_IntList`, in order.

    `arguments` are arrays, numbers, strings and lists of them, by the names in the schema. None
    where PyTorch has no such operator here, what it gives is random or uninitialized, or it refuses
    the arguments.
    """
    namespace, _, rest = name.partition("::")
    kind, _, overload = rest.partition(".")
    try:
        operator = getattr(getattr(getattr(torch.ops, namespace), kind), overload or "default")
    except AttributeError:
        return None
    if _is_random(operator, arguments) or "empty" in kind:
        return None
    # By position: some are called `self` or `from`.
    schema = operator._schema.arguments
    given = [(a, _argument(arguments[a.name])) for a in schema if a.name in arguments]
    positional = [value for a, value in given if not a.kwarg_only]
    keywords = {a.name: value for a, value in given if a.kwarg_only}
    try:
        with torch.no_grad(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return flat_arrays(operator(*positional, **keywords))
    except (RuntimeError, IndexError, ValueError, TypeError):
        return None


def _is_random(operator: Any, arguments: Mapping[str, Any]) -> bool:
    if torch.Tag.nondeterministic_seeded not in operator.tags:
        return False
    # Dropout alone makes attention and recurrent layers random, and it does nothing in inference.
    training = arguments.get("train", arguments.get("training"))
    return training is not False and arguments.get("dropout_p") != 0.0


def _argument(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return tensor_of(value)
    if isinstance(value, Device):
        return torch.device(value.name)
    return mapped(_argument, value)
