"""Random TorchScript programs as data: what a program is, its source, and how it gets smaller.

A program is a function or a module's `forward`, with a helper function or method at times. It is
grown by `random_growing`, tried by `random_checks`; `Program.without` gives the smaller programs
that a failing one is reduced to.
"""

import linecache
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Dict, List, Optional, Tuple, Union  # noqa: UP035  as TorchScript wants them

import torch

from tests.conversion.random_classes import Holder, Mode, Pair
from tests.conversion.random_inputs import Inputs

__all__ = [
    "PARAMETERS",
    "RETURNED",
    "Compound",
    "Function",
    "Leave",
    "Line",
    "Program",
    "Setting",
    "Statement",
    "namespace",
    "rendered",
]

PARAMETERS = {
    "program": "x, y, i, n: int, r: float, flag: bool",
    "helper": "a, b, i, m: int, r: float, flag: bool",
}

TYPES = {
    "items": "List[torch.Tensor]",
    "table": "Dict[str, torch.Tensor]",
    "sizes": "List[int]",
    "held": "Optional[torch.Tensor]",
    "level": "Optional[int]",
    "lists": "Dict[str, List[torch.Tensor]]",
    "couple": "Tuple[List[torch.Tensor], int]",
}
"""The attributes whose types TorchScript must be told."""

RETURNED = {
    "tensor": "{0}",
    "list": "{0}",
    "int": "{0}",
    "float": "{0}",
    "bool": "{0}",
    "ints": "torch.tensor({0}, dtype=torch.int64)",
    "dict": "list({0}.values())",
    "pair": "{0}.first, {0}.count",
    "option": "x if {0} is None else {0}",
    "kept": "{0} is None",
    "kept_int": "{0} is None",
    "nested": "{0}",
    "table": "{0}",
    "pairs": "[q[0] for q in {0}], sum([q[1] for q in {0}])",
    "bundle": "{0}",
    "counts": "{0}.get('a', -1), {0}.get('b', -1), {0}.get('c', -1), len({0})",
    "holder": "{0}.value, {0}.count, {0}.items, {0}.last is None",
    "union": "{0} if isinstance({0}, int) else -9, isinstance({0}, int)",
    "mode": "{0} == Mode.SUM, {0} == Mode.MAX",
    "maybe": "-9 if {0} is None else {0}",
    "text": "{0} == 'ab', len({0})",
    "tally": "torch.tensor(list({0}.keys()), dtype=torch.int64), torch.tensor(list({0}.values()), dtype=torch.int64)",
    "memo": "list({0}.values()), len({0})",
    "words": "torch.tensor([len(w) for w in {0}], dtype=torch.int64)",
}
"""By the kind of a variable: how it is returned."""


@dataclass(frozen=True)
class Line:
    """One statement."""

    text: str


@dataclass(frozen=True)
class Leave:
    """`return` of what is visible there, as many values of each kind as the function returns."""

    names: Mapping[str, tuple[str, ...]]


@dataclass(frozen=True)
class Compound:
    """`if` with one or two bodies, or a loop with one; `first` is how its bodies start."""

    header: str
    bodies: tuple[tuple["Statement", ...], ...]
    first: tuple[str, ...] = ()


Statement = Union[Line, Leave, Compound]


@dataclass(frozen=True)
class Function:
    """One function of a program; its name is a key of `PARAMETERS`."""

    name: str
    statements: tuple[Statement, ...]
    result: Leave

    def lines(self, method: bool) -> list[str]:
        """Its text."""
        name = "forward" if method and self.name == "program" else self.name
        given = ("self, " if method else "") + PARAMETERS[self.name]
        body = rendered((*self.statements, self.result), self.result)
        return [f"def {name}({given}):", *(f"    {line}" for line in body)]

    def smaller(self) -> Iterator["Function"]:
        """Functions with one statement or one returned value less."""
        for statements in _smaller(self.statements):
            yield replace(self, statements=statements)
        for kind, names in self.result.names.items():
            for i in range(len(names)):
                fewer = {**self.result.names, kind: names[:i] + names[i + 1 :]}
                if self.name == "program" and any(fewer.values()):
                    yield replace(self, result=Leave(fewer))


@dataclass(frozen=True)
class Setting:
    """What a program is made for: the target, the dtypes of its tensors, the state of its module.

    `state` has for each attribute the text of its initial value; a program without is a function.
    `subjects` are what it is about.
    """

    dynamic: bool = False
    opset: int = 20
    dtypes: tuple[torch.dtype, ...] = (torch.float32, torch.float32)
    state: Mapping[str, str] = field(default_factory=dict)
    subjects: tuple[str, ...] = ()


@dataclass(frozen=True)
class Program:
    """The functions, the calls they are tried with, and the target."""

    main: Function
    helpers: tuple[Function, ...]
    calls: tuple[Inputs, ...]
    setting: Setting

    def source(self) -> str:
        """The text of the program."""
        return source((*self.helpers, self.main), self.setting)

    def build(self) -> Any:
        """The function or a new module, with its source where `torch.jit.script` finds it."""
        built = namespace(self.source())
        return built["Program"]() if self.setting.state else built["program"]

    def without(self) -> Iterator["Program"]:
        """Programs with one statement or call less, or something else simpler."""
        for main in self.main.smaller():
            yield replace(self, main=main)
        for i, helper in enumerate(self.helpers):
            yield replace(self, helpers=self.helpers[:i] + self.helpers[i + 1 :])
            for smaller in helper.smaller():
                helpers = (*self.helpers[:i], smaller, *self.helpers[i + 1 :])
                yield replace(self, helpers=helpers)
        for i in range(len(self.calls)):
            if len(self.calls) > 1:
                yield replace(self, calls=self.calls[:i] + self.calls[i + 1 :])
        setting = self.setting
        if setting.dynamic:
            yield replace(self, setting=replace(setting, dynamic=False))
        if setting.opset != 20:  # noqa: PLR2004  the default
            yield replace(self, setting=replace(setting, opset=20))
        for name in setting.state:
            fewer = {k: v for k, v in setting.state.items() if k != name}
            yield replace(self, setting=replace(setting, state=fewer))


def source(functions: tuple[Function, ...], setting: Setting) -> str:
    """The text of functions, as methods if there is state."""
    lines = []
    if not setting.state:
        for function in functions:
            lines += [*function.lines(method=False), ""]
        return "\n".join(lines)
    lines += ["class Program(torch.nn.Module):"]
    lines += [f"    {name}: {TYPES[name]}" for name in setting.state if name in TYPES]
    lines += ["    def __init__(self):"]
    lines += ["        super().__init__()"]
    lines += [f"        self.{name} = {value}" for name, value in setting.state.items()]
    for function in functions:
        lines += ["", *(f"    {line}" for line in function.lines(method=True))]
    return "\n".join([*lines, ""])


def namespace(text: str) -> dict[str, Any]:
    """The names that a text defines."""
    filename = f"<random program {abs(hash(text))}>"
    linecache.cache[filename] = (len(text), None, text.splitlines(keepends=True), filename)
    names: dict[str, Any] = {
        "torch": torch, "Pair": Pair, "Holder": Holder, "Mode": Mode, "Dict": Dict, "List": List,
        "Optional": Optional, "Tuple": Tuple, "Union": Union,
        "__name__": "random_program",
    }  # fmt: skip
    exec(compile(text, filename, "exec"), names)
    return names


def rendered(statements: tuple[Statement, ...], result: Leave) -> Iterator[str]:
    """The lines of statements; a `return` gives as many values as `result` does."""
    for statement in statements:
        if isinstance(statement, Line):
            yield statement.text
        elif isinstance(statement, Leave):
            yield f"return {', '.join(_returned(statement, result))}"
        else:
            for i, body in enumerate(statement.bodies):
                yield "else:" if i else statement.header
                lines = [*statement.first, *rendered(body, result)] or ["pass"]
                yield from (f"    {line}" for line in lines)


def _returned(leave: Leave, result: Leave) -> Iterator[str]:
    for kind, wanted in result.names.items():
        given = leave.names[kind] if wanted else ()
        for i in range(len(wanted)):
            yield RETURNED[kind].format(given[i % len(given)])


def _smaller(statements: tuple[Statement, ...]) -> Iterator[tuple[Statement, ...]]:
    for i, statement in enumerate(statements):
        before, after = statements[:i], statements[i + 1 :]
        yield before + after
        if isinstance(statement, Compound):
            for body in statement.bodies:
                yield before + body + after
            if len(statement.bodies) > 1:
                yield (*before, replace(statement, bodies=statement.bodies[:1]), *after)
            for k, body in enumerate(statement.bodies):
                for smaller in _smaller(body):
                    bodies = statement.bodies[:k] + (smaller,) + statement.bodies[k + 1 :]
                    yield (*before, replace(statement, bodies=bodies), *after)
