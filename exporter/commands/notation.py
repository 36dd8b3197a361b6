"""How inputs, constants and dynamic axes are written on the command line.

x=float32[batch,3,224,224]    a tensor; a dim that is a name is dynamic
n=int64                       a tensor without dims; x=float32[...] one of any shape
xs.0=..., xs.1=...            the elements of a list; `batch.image=...` an entry of a dict
xs=list(float32[n,3])         a list of any length; xs=list(float32) of tensors of any shape
bias=optional(float32[3])     what may be None at run time
n=5  mode=fast  flag=true     a constant: a Python literal, else (or if one is declared) a string
x:0=batch,2=height            dynamic axes; `x:0` alone names the dim x_0
"""

from __future__ import annotations

import ast
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import click

from exporter.conversion.boundary.specs import OptionalSpec, SequenceSpec, Spec, TensorSpec
from exporter.errors import InputError

__all__ = ["Literal", "constants", "dynamic_axes", "names", "nested", "specs", "tensor_specs"]

_TENSOR = re.compile(r"(?P<dtype>\w+)(\[(?P<dims>[^\[\]]*)\])?")
_HOLDER = re.compile(r"(?P<word>list|optional)\((?P<held>.*)\)")
_AXIS = r"-?\d+(=[^\W\d]\w*)?"
_DYNAMIC = re.compile(rf"(?P<name>[^:=,]+):(?P<axes>{_AXIS}(,{_AXIS})*)")
_FORMS = '"x=float32[batch,3]", "xs=list(float32[n,3])" or "y=optional(float32[3])"'
_LITERALS = {"true": True, "false": False, "none": None}


def specs(texts: Sequence[str], option: str, forms: str = _FORMS) -> dict[str, Spec]:
    """`name=dtype[dims]`, by name."""
    result: dict[str, Spec] = {}
    for text in texts:
        name, separator, described = (part.strip() for part in text.partition("="))
        if not (name and separator):
            raise _malformed(text, option, forms)
        try:
            spec = _spec(described.replace(" ", ""), text, option)
        except InputError as error:
            raise click.BadParameter(f"{text!r}: {error.message}", param_hint=option) from None
        result[_new(name, result, option)] = spec
    return result


def tensor_specs(texts: Sequence[str], option: str) -> dict[str, TensorSpec]:
    """Specs that may be of tensors alone, with their shapes."""
    result = {}
    form = '"h=float32[2,1,128]"'
    for name, spec in specs(texts, option, form).items():
        if not isinstance(spec, TensorSpec) or spec.shape is None:
            raise _malformed(f"{name}={spec}", option, form)
        result[name] = spec
    return result


def _malformed(text: str, option: str, forms: str = _FORMS) -> click.BadParameter:
    return click.BadParameter(f"{text!r} is not of the form {forms}", param_hint=option)


def _spec(described: str, text: str, option: str) -> Spec:
    holder = _HOLDER.fullmatch(described)
    word, held = (holder["word"], holder["held"]) if holder else ("", described)
    if word == "optional":
        content = _spec(held, text, option)
        if isinstance(content, OptionalSpec):
            raise _malformed(text, option)
        return OptionalSpec(content)
    tensor = _TENSOR.fullmatch(held)
    if tensor is None:
        raise _malformed(text, option)
    dims: str | None = tensor["dims"]
    shape = None
    if dims != "..." and (dims is not None or not word):
        shape = tuple(_dim(part, text, option) for part in (dims or "").split(",") if part)
    kind = SequenceSpec if word else TensorSpec
    return kind(tensor["dtype"], shape)


def _dim(text: str, whole: str, option: str) -> int | str:
    if text.isdecimal():
        return int(text)
    if text.isidentifier():
        return text
    raise click.BadParameter(f"{whole!r}: {text!r} is neither a size nor a name", param_hint=option)


def _new(name: str, known: dict[str, Any], option: str) -> str:
    if name in known:
        raise click.BadParameter(f"{name} is given twice", param_hint=option)
    return name


def nested(specs: dict[str, Any]) -> dict[str, Any]:
    """Values under dotted names as dicts; which of them are lists, the declared types tell."""
    groups: dict[str, Any] = {}
    for name, value in specs.items():
        first, _, rest = name.partition(".")
        if not rest:
            groups[first] = value
        elif isinstance(groups.setdefault(first, {}), dict):
            groups[first][rest] = value
        else:
            raise click.BadParameter(f"{first} and {name} are both given", param_hint="--input")
    return {
        name: nested(value) if isinstance(value, dict) else value for name, value in groups.items()
    }


@dataclass(frozen=True)
class Literal:
    """A value as it was written, and what it looks like."""

    text: str
    value: Any


def constants(texts: Sequence[str]) -> dict[str, Literal]:
    """`name=value`, by name."""
    result: dict[str, Literal] = {}
    for text in texts:
        name, separator, value = text.partition("=")
        if not (name and separator):
            raise click.BadParameter(f'{text!r} is not of the form "n=5"', param_hint="--const")
        result[_new(name, result, "--const")] = Literal(value, _value(value))
    return result


def _value(text: str) -> Any:
    if text.lower() in _LITERALS:
        return _LITERALS[text.lower()]
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text


def dynamic_axes(texts: Sequence[str]) -> dict[str, dict[int, str]]:
    """`name:axis=label,...`, by name and axis."""
    result: dict[str, dict[int, str]] = {}
    for text in texts:
        match = _DYNAMIC.fullmatch(text)
        if match is None:
            raise _malformed(text, "--dynamic", '"x:0=batch" or "x:0=batch,2=height"')
        name = match["name"]
        labels = result.setdefault(name, {})
        for part in match["axes"].split(","):
            axis, _, label = part.partition("=")
            if int(axis) in labels:
                raise click.BadParameter(f"{name}:{axis} is given twice", param_hint="--dynamic")
            labels[int(axis)] = label or f"{name}_{axis}"
    return result


def names(text: str | None) -> list[str] | None:
    """Names separated by commas."""
    return None if text is None else [name.strip() for name in text.split(",")]
