"""Grows random programs statement by statement.

Each candidate is first run by eager PyTorch at the point where it would stand, and dropped if that
fails, so that most programs are valid and mean something.
"""

import random
import warnings
from itertools import count
from typing import Any

import torch

from tests.conversion.random_classes import Holder
from tests.conversion.random_expressions import Scope
from tests.conversion.random_inputs import (
    Inputs,
    bounded,
    copied,
    inputs,
    limited,
    other_sizes,
    random_shapes,
)
from tests.conversion.random_openings import Opening
from tests.conversion.random_programs import (
    PARAMETERS,
    RETURNED,
    Compound,
    Function,
    Leave,
    Line,
    Program,
    Setting,
    Statement,
    namespace,
    rendered,
    source,
)
from tests.conversion.random_state import KINDS, random_state
from tests.conversion.random_subjects import MADE, SUBJECTS, AnyStatements

__all__ = ["random_program"]

MAX_STATEMENTS = 12
MAX_IN_HELPER = 5
OPSETS = (11, 13, 17, 20, 23, 26)
OTHER_DTYPES = (
    torch.int64, torch.int64, torch.float64, torch.float16, torch.bool, torch.int32, torch.uint8,
)  # fmt: skip
PREFIXES = {
    "tensor": "t", "list": "l", "int": "k", "float": "r", "bool": "c", "ints": "q", "dict": "d",
    "pair": "p", "option": "o", "counter": "w", "nested": "d", "table": "l", "pairs": "l", "bundle": "b",
    "counts": "d", "holder": "h", "union": "u", "mode": "m", "maybe": "o", "text": "s",
    "tally": "d", "memo": "d", "words": "w",
}  # fmt: skip
ESCAPES = ("break", "continue")


def random_program(rng: random.Random, size: int = MAX_STATEMENTS) -> Program | None:
    """A program that eager PyTorch runs on its first call; None if none was found.

    It has no more than `size` statements, and few in its helper.
    """
    setting = _setting(rng)
    # Before opset 14 a Reshape can't name a size that turns out as 0 at run time.
    zero = not setting.dynamic or setting.opset >= 14  # noqa: PLR2004
    shapes = random_shapes(rng, zero=zero)
    samples = [inputs(rng, shapes, setting.dtypes) for _ in range(2)]
    names = count(1)
    helpers: tuple[Function, ...] = ()
    if rng.random() < 0.35:
        given = [
            dict(zip(("a", "b", "i", "m", "r", "flag"), s.values(), strict=True)) for s in samples
        ]
        helper = _Grower(rng, setting, "helper", given, (), names, MAX_IN_HELPER).grow()
        helpers = () if helper is None else (helper,)
    main = _Grower(rng, setting, "program", samples, helpers, names, size).grow()
    if main is None:
        return None
    candidates = [*samples, inputs(rng, shapes, setting.dtypes)]
    candidates.append({**candidates[0], "flag": not candidates[0]["flag"], "n": 1})
    if setting.dynamic:
        others = other_sizes(rng, shapes, zero=zero)
        candidates += [inputs(rng, s, setting.dtypes) for s in others]
    return Program(main, helpers, tuple(candidates), setting)


def _setting(rng: random.Random) -> Setting:
    dtypes = [torch.float32, torch.float32]
    if rng.random() < 0.3:
        dtypes[rng.randint(0, 1)] = rng.choice(OTHER_DTYPES)
        if rng.random() < 0.3:
            dtypes = [rng.choice(OTHER_DTYPES)] * 2
    state = random_state(rng, dtypes[0]) if rng.random() < 0.25 else {}
    return Setting(
        dynamic=rng.random() < 0.4,
        opset=rng.choice(OPSETS) if rng.random() < 0.4 else 20,
        dtypes=tuple(dtypes),
        state=state,
        subjects=tuple(rng.sample(SUBJECTS, rng.choice([0, 1, 2, 3]))),
    )


class _Grower:
    """Grows one function; `helpers` are those that it may call, `names` numbers its variables."""

    def __init__(
        self,
        rng: random.Random,
        setting: Setting,
        name: str,
        samples: list[Inputs],
        helpers: tuple[Function, ...],
        names: "count[int]",
        size: int,
    ) -> None:
        self.rng = rng
        self.setting = setting
        self.name = name
        self.samples = samples
        self.names = names
        self.method = bool(setting.state)
        self.helper = "" if not helpers else "self.helper" if self.method else "helper"
        self.text = source(helpers, setting)
        self.defined = namespace(self.text)
        self.budget = rng.randint(3, size)
        # What runs, straight on, before the point where the next statement will stand.
        self.before: list[str] = []
        self.state: dict[str, Any] = {}
        self.leaves = False

    def grow(self) -> Function | None:
        a, b, _, n = list(self.samples[0])[:4]
        scope = Scope({"tensor": [a, b], "int": [n], "float": ["r"], "list": ["l"]})
        if self.name == "program" and self.method:
            for name in self.setting.state:
                scope.of(KINDS[name]).append(f"self.{name}")
        # A list holds one dtype.
        other = b if self.samples[0][a].dtype == self.samples[0][b].dtype else a
        first = Line(f"l = [{a} * 2, {other} + 1]")
        self.before = [first.text]
        if not self.runs([]):
            return None
        statements: list[Statement] = [first]
        for subject in self.setting.subjects:
            if subject in MADE:
                statements += self.made(scope, subject)
        statements += self.body(scope, 0, in_loop=False)
        return Function(self.name, tuple(statements), self.result(scope))

    def made(self, scope: Scope, subject: str) -> list[Statement]:
        """A variable that the program is about, from the start."""
        inner = scope.inner()
        line = self.writer(inner, top=True).about(subject)
        if not self.accepts([line]):
            return []
        self.before.append(line)
        scope.names = self.there(inner)
        return [Line(line)]

    def there(self, scope: Scope) -> dict[str, list[str]]:
        """The names of a scope without those that other statements, not taken, would have made."""
        return {
            kind: [name for name in names if name in self.state or name.startswith("self.")]
            for kind, names in scope.names.items()
        }

    def result(self, scope: Scope) -> Leave:
        """Most of what is visible in the end; in a helper two tensors and an int."""
        if self.name == "helper":
            return Leave({"tensor": tuple(scope.of("tensor")[-2:]), "int": (scope.of("int")[-1],)})
        kept = {
            kind: tuple(v for v in scope.of(kind) if self.rng.random() < 0.7)
            # What an early return gives must be there from the start.
            for kind in (("tensor", "list", "int", "float") if self.leaves else RETURNED)
        }
        return Leave({**kept, "tensor": kept["tensor"] or ("y",)})

    def runs(self, lines: list[str]) -> bool:
        """Whether eager PyTorch runs this here; notes the variables afterwards."""
        body = "\n    ".join([*self.before, *lines, "return locals()"])
        text = f"def candidate(self, {PARAMETERS[self.name]}):\n    {body}\n"
        names = dict(self.defined)
        try:
            exec(compile(text, "<candidate>", "exec"), names)
        except SyntaxError:
            return False
        found = None
        for sample in reversed(self.samples):
            owner = self.defined["Program"]() if self.method else None
            given = {k: copied(v) for k, v in sample.items()}
            try:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    found = limited(names["candidate"], owner, **given)
            except Exception:
                return False
            if isinstance(found, dict) and not _small(found):
                return False
        # A sample that returns early says nothing of what follows.
        if not isinstance(found, dict):
            return False
        self.state = found
        return True

    def body(self, scope: Scope, depth: int, *, in_loop: bool) -> list[Statement]:
        statements: list[Statement] = []
        wanted = self.budget if depth == 0 else self.rng.randint(1, 3)
        for _ in range(wanted):
            if self.budget <= 0:
                break
            for _ in range(6):
                found = self.statement(scope, depth, in_loop)
                if found:
                    statements += found
                    break
        return statements

    def statement(self, scope: Scope, depth: int, in_loop: bool) -> list[Statement]:
        self.runs([])
        if self.rng.random() < 0.25 and depth < 3 and self.budget > 1:
            return self.compound(scope, depth, in_loop)
        inner = scope.inner()
        text = self.writer(inner, top=depth == 0).line()
        if not self.accepts([text]):
            return []
        self.before.append(text)
        self.budget -= 1
        scope.names = self.there(inner)
        return [Line(text)]

    def accepts(self, lines: list[str]) -> bool:
        """Whether the lines run here, and leave each variable the dtype that it had."""
        before = _dtypes(self.state)
        return self.runs(lines) and _fits(before, _dtypes(self.state))

    def writer(self, scope: Scope, *, top: bool = False) -> AnyStatements:
        return AnyStatements(
            self.rng, scope, self.state, self.fresh, self.setting, top, self.helper
        )

    def compound(self, scope: Scope, depth: int, in_loop: bool) -> list[Statement]:
        rng = self.rng
        writer = self.writer(scope.inner())
        budget, mark, kept_state = self.budget, len(self.before), self.state
        self.budget -= 1
        is_loop = rng.random() < 0.5
        opening = writer.loop() if is_loop else writer.branch()
        bodies: list[tuple[Statement, ...]] = []
        for _ in range(1 if is_loop else rng.choice([1, 2])):
            inner = scope.inner()
            for kind, name in opening.bound if not bodies else ():
                inner.of(kind).append(name)
            del self.before[mark:]
            self.before += [*opening.before, *opening.setup, *opening.first]
            if not self.runs([]):
                break
            body = self.body(inner, depth + 1, in_loop=in_loop or is_loop)
            if not is_loop:
                body += self.escape(inner, in_loop)
            bodies.append(tuple(body))
        del self.before[mark:]
        self.state = kept_state
        if bodies and bodies[0]:
            found = Compound(opening.header, tuple(bodies), opening.first)
            whole = [*(Line(text) for text in opening.before), found]
            if self.joins(whole, scope, opening):
                return whole
        self.budget = budget
        return []

    def escape(self, scope: Scope, in_loop: bool) -> list[Statement]:
        """At times a branch ends with `return`, `break` or `continue`."""
        if self.rng.random() > (0.4 if in_loop else 0.12):
            return []
        if in_loop and self.rng.random() < 0.7:
            return [Line(self.rng.choice(ESCAPES))]
        if self.rng.random() < 0.3:
            return [Line("raise RuntimeError('no way')")]
        self.leaves = True
        return [scope.leave()]

    def joins(self, whole: list[Statement], scope: Scope, opening: Opening) -> bool:
        """Whether the statements can stand here; if so they are what runs from now on."""
        lines = list(rendered(tuple(whole), scope.leave()))
        if self.accepts(lines):
            self.before += lines
            return True
        # In a loop whose header is not tried here, `break` and `continue` can't be.
        text = "\n    ".join(["while flag:", *lines])
        try:
            compile(text, "<candidate>", "exec")
        except SyntaxError:
            return False
        return any(line.strip() in ESCAPES for line in lines) and not opening.setup

    def fresh(self, kind: str) -> str:
        return f"{PREFIXES[kind]}{next(self.names)}"


def _small(variables: dict[str, Any]) -> bool:
    owner = variables.get("self")
    held = [] if owner is None else [v for k, v in vars(owner).items() if not k.startswith("_")]
    return all(map(bounded, [*held, *variables.values()]))


def _dtypes(variables: dict[str, Any]) -> dict[str, frozenset[Any]]:
    """The dtypes that each variable holds; of the module's attributes the numbers of dims, too."""
    found = {k: frozenset(_dtypes_in(v)) for k, v in variables.items()}
    owner = variables.get("self")
    if owner is not None:
        for name, value in vars(owner).items():
            if isinstance(value, torch.Tensor):
                found[f"self.{name}"] = frozenset([value.dtype, value.dim()])
            elif not name.startswith("_"):
                found[f"self.{name}"] = frozenset(_dtypes_in(value))
    return found


def _dtypes_in(value: Any) -> list[Any]:
    if isinstance(value, torch.Tensor):
        return [value.dtype]
    if isinstance(value, Holder):
        value = vars(value)
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, (list, tuple)):
        return [d for item in value for d in _dtypes_in(item)]
    return []


def _fits(before: dict[str, frozenset[Any]], after: dict[str, frozenset[Any]]) -> bool:
    """Whether no variable holds another dtype than before, and none holds several."""
    return all(
        not dtypes or (before.get(name) or dtypes) == dtypes for name, dtypes in after.items()
    )
