"""The registry as a whole: every schema is PyTorch's own, every function is its schema's."""

from __future__ import annotations

import ast
import graphlib
import inspect
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch

import symbolics
from symbolics.families import FAMILIES
from symbolics.registry import Overload, overloads, registered, symbolic

FOLDER = Path(symbolics.__file__).parent
NOT_IN_PYTORCH = ("symbolics.retired", "symbolics.linear_algebra.square_roots")


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
    """The text is what PyTorch prints, alias annotations and defaults included.

    What PyTorch has no more, or only from 2.14 on, is in places of its own.
    """
    wrong = []
    for overload in registered():
        name = head(overload.text)
        if not name.startswith("aten::"):
            continue
        if overload.function.__module__ in NOT_IN_PYTORCH:
            if name in own:
                wrong.append(f"PyTorch has {name}")
        elif name not in own:
            wrong.append(f"PyTorch has no {name}")
        elif normal(overload.text) != own[name]:
            wrong.append(f"{overload.text}\n  is in PyTorch\n{own[name]}")
    assert not wrong, "\n".join(wrong)


def mismatch(overload: Overload) -> str | None:
    """How a function's parameters differ from its schema's arguments; None where they agree."""
    parameters = list(inspect.signature(overload.function).parameters.values())[1:]
    arguments = overload.schema.arguments
    # `from` is a keyword of Python: its parameter is `from_`.
    if [p.name.removesuffix("_") for p in parameters] != [
        a.name.removesuffix("_") for a in arguments
    ]:
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
    for path in FOLDER.rglob("*.py"):
        assert "opset" not in path.read_text().lower(), path.name


def module_names(folder: Path) -> set[str]:
    files = (path.relative_to(folder) for path in folder.rglob("*.py") if path.stem != "__init__")
    return {".".join(path.with_suffix("").parts) for path in files}


def test_every_family_is_looked_through() -> None:
    """A file whose operators are registered, but which is not in the list, would not be found."""
    modules = {overload.function.__module__ for overload in registered()}
    # Other tests register operators, too.
    registering = {m.removeprefix("symbolics.") for m in modules if m.startswith("symbolics.")}
    decorated = {
        name
        for name in module_names(FOLDER) - {"registry"}
        if re.search(
            r"^@?(symbolic|view_write|argument_writes|quantized_form|complex_rule)\(",
            FOLDER.joinpath(*name.split(".")).with_suffix(".py").read_text(),
            re.MULTILINE,
        )
    }
    assert decorated | registering <= set(FAMILIES)
    assert set(FAMILIES) <= module_names(FOLDER)
    assert len(FAMILIES) == len(set(FAMILIES))


def test_an_operator_is_in_one_family() -> None:
    """Its other overloads would not be found once one is."""
    homes: dict[str, set[str]] = {}
    for overload in registered():
        name = head(overload.text).partition(".")[0]
        homes.setdefault(name, set()).add(overload.function.__module__)
    assert [name for name, modules in homes.items() if len(modules) > 1] == []


def imports_of(name: str) -> set[str]:
    """The modules of symbolics that one imports; what is for type checkers alone is indented."""
    tree = ast.parse(FOLDER.joinpath(*name.split(".")).with_suffix(".py").read_text())
    found = set()
    for node in tree.body:
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("symbolics"):
            base = node.module.removeprefix("symbolics").removeprefix(".")
            found |= {base, *(f"{base}.{alias.name}".removeprefix(".") for alias in node.names)}
    return found & module_names(FOLDER)


def test_families_can_be_imported_in_any_order() -> None:
    """None imports itself by way of others."""
    graphlib.TopologicalSorter({n: imports_of(n) for n in module_names(FOLDER)}).prepare()


FEW = """
import sys
from symbolics.registry import overloads
assert [o.text for o in overloads("aten::relu")] == ["aten::relu(Tensor self) -> Tensor"]
assert overloads("aten::relu_") == []
assert "symbolics.elementwise.activation" in sys.modules
assert "symbolics.signals.fourier" not in sys.modules
assert overloads("aten::fft_rfft")
assert "symbolics.signals.fourier" in sys.modules
assert "symbolics.differentiation.backward" not in sys.modules
assert overloads("aten::there_is_none") == []
assert "symbolics.differentiation.backward" in sys.modules
"""

REPLACED = """
from exporter import register_symbolic
from symbolics.registry import overloads
def other(g, self, n=None, dim=-1, norm=None): return self
schema = SCHEMA
try:
    register_symbolic(schema, other)
except ValueError:
    register_symbolic(schema, other, replace=True)
assert [o.function for o in overloads("aten::fft_rfft")] == [other]
"""

WRITTEN = """
from symbolics.registry import overloads, registered
before = [(o.text, o.write, o.effect) for o in overloads("NAME")]
registered()
assert before == [(o.text, o.write, o.effect) for o in overloads("NAME")]
assert any(write or effect for _, write, effect in before)
"""


def test_families_are_imported_when_an_operator_is_asked_for() -> None:
    subprocess.run([sys.executable, "-c", FEW], cwd=FOLDER.parent, check=True)


def test_an_operator_that_is_not_imported_yet_is_replaced_only_if_told_to() -> None:
    schema = overloads("aten::fft_rfft")[0].text
    program = REPLACED.replace("SCHEMA", repr(schema))
    subprocess.run([sys.executable, "-c", program], cwd=FOLDER.parent, check=True)


@pytest.mark.parametrize("name", ["aten::select", "aten::native_batch_norm"])
def test_what_an_operator_writes_comes_with_it(name: str) -> None:
    program = WRITTEN.replace("NAME", name)
    subprocess.run([sys.executable, "-c", program], cwd=FOLDER.parent, check=True)


def test_registering_twice_is_an_error() -> None:
    """A second symbolic for an operator is refused by name, unless it says that it replaces."""
    text = overloads("aten::relu")[0].text
    with pytest.raises(ValueError, match="aten::relu already has a symbolic"):
        symbolic(text)(lambda g, self: self)
