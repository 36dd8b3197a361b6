"""The registry as a whole: every schema is PyTorch's own, every function is its schema's."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import pytest
import torch

import symbolics
from symbolics.registry import Overload, overloads, registered, symbolic

FOLDER = Path(symbolics.__file__).parent


def head(schema: str) -> str:
    return schema.split("(", 1)[0]


def normal(schema: str) -> str:
    """A schema's text in one spelling: SymInt is int, quotes are double, floats are shortest."""
    text = re.sub(r"\bSymInt\b", "int", schema).replace("'", '"')
    text = re.sub(
        r"=(-?\d+\.\d*(?:e[-+]?\d+)?|-?\d+e[-+]?\d+)", lambda m: f"={float(m[1])!r}", text
    )
    return re.sub(r"\s+", " ", text).strip()


@pytest.fixture(scope="module")
def own() -> dict[str, str]:
    """PyTorch's schemas by name and overload.

    Of operators that PyTorch only has in place, the functional form as well: it is the same schema
    without the write.
    """
    found = {head(str(s)): normal(str(s)) for s in torch._C._jit_get_all_schemas()}
    for name, text in list(found.items()):
        base, dot, overload = name.partition(".")
        if base.endswith("_") and not base.endswith("__"):
            functional = base[:-1] + dot + overload
            found.setdefault(functional, text.replace(name, functional, 1).replace("(a!)", ""))
    return found


def test_something_is_registered() -> None:
    assert len(registered()) > 100


def test_every_schema_is_pytorchs(own: dict[str, str]) -> None:
    """The text is what PyTorch prints, alias annotations and defaults included."""
    wrong = []
    for overload in registered():
        name = head(overload.text)
        if not name.startswith("aten::"):
            continue
        if name not in own:
            wrong.append(f"PyTorch has no {name}")
        elif normal(overload.text) != own[name]:
            wrong.append(f"{overload.text}\n  is in PyTorch\n{own[name]}")
    assert not wrong, "\n".join(wrong)


def mismatch(overload: Overload) -> str | None:
    """How a function's parameters differ from its schema's arguments; None where they agree."""
    parameters = list(inspect.signature(overload.function).parameters.values())[1:]
    arguments = overload.schema.arguments
    # `from` is a keyword of Python: its parameter is `from_`.
    if [p.name.removesuffix("_") for p in parameters] != [a.name for a in arguments]:
        return f"{[p.name for p in parameters]} for {[a.name for a in arguments]}"
    for parameter, argument in zip(parameters, arguments, strict=True):
        keyword_only = parameter.kind is inspect.Parameter.KEYWORD_ONLY
        if keyword_only != argument.keyword_only:
            return f"{argument.name}: keyword-only in one of the two"
        if argument.has_default != (parameter.default is not inspect.Parameter.empty):
            return f"{argument.name}: a default in one of the two"
        default = parameter.default
        if isinstance(default, tuple):
            # What a function must not change is a tuple where the schema has a list.
            default = list(default)
        if isinstance(argument.default, list) and isinstance(default, int):
            # `int[2] padding=0` means 0 for each.
            default = [default] * len(argument.default)
        if argument.has_default and default != argument.default:
            return f"{argument.name}: default {default!r} for {argument.default!r}"
    return None


def test_every_function_has_its_schemas_parameters() -> None:
    """Names, order, keyword-only marks and defaults; the first parameter is the builder."""
    wrong = []
    for overload in registered():
        problem = mismatch(overload)
        if problem:
            wrong.append(f"{head(overload.text)}: {problem}")
    assert not wrong, "\n".join(wrong)


def test_derived_forms_are_not_registered() -> None:
    """In-place and out= forms come from the functional operator by rule."""
    found = []
    for overload in registered():
        name, _, variant = head(overload.text).partition(".")
        in_place = name.endswith("_") and not name.endswith("__")
        if name.startswith("aten::") and (in_place or "out" in variant.split("_")):
            found.append(overload.text)
    assert not found


def test_symbolics_do_not_know_versions() -> None:
    """What a target version lacks is the builder's business."""
    for path in FOLDER.glob("*.py"):
        assert "opset" not in path.read_text().lower(), path.name


def test_every_file_is_imported() -> None:
    """A family file that the package does not import would be missing silently."""
    names = {p.stem for p in FOLDER.glob("*.py")} - {"__init__"}
    assert names <= set(vars(symbolics)), names - set(vars(symbolics))


def test_registering_twice_is_an_error() -> None:
    """A second symbolic for an operator is refused by name, unless it says that it replaces."""
    text = overloads("aten::relu")[0].text
    with pytest.raises(ValueError, match="aten::relu already has a symbolic"):
        symbolic(text)(lambda g, self: self)
