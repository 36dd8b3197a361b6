"""Integers that are only known at run time, as expressions over named sizes.

A `SymInt` is a polynomial with integer coefficients over *atoms*: a `Symbol` (a named dim of an
input, a size that an operator decides, an integer read from a tensor) or a function of other
expressions that has no polynomial form (`n // 2`, `max(n, m)`). The polynomial is canonical, so two
sizes that are the same expression compare equal, and `(2 * n + 1) // 2` is just `n`.

This module knows nothing of graphs: a symbol remembers where it can be read from (`sources`), and
the builder turns expressions into ONNX nodes when one is needed as a tensor.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, TypeAlias, Union

from exporter.errors import UnsupportedError

if TYPE_CHECKING:
    from exporter.onnx_graph.values import Tensor

__all__ = [
    "Apply",
    "Atom",
    "Dim",
    "Shape",
    "SymInt",
    "Symbol",
    "is_ge",
    "refreshed",
    "resolved",
    "sym_max",
    "sym_min",
]

# Beyond this many terms an expression is kept whole as one atom: unrolled programs could otherwise
# grow polynomials without end.
MAX_TERMS = 24
MAX_DEGREE = 4
# A function whose text is longer is written by a digest of it. Expressions share their parts: spelt
# out, the size of a feature map after thirty layers would be longer than the model.
MAX_TEXT = 160
# An inequation is looked for in so many extremes within extremes.
PROOF_DEPTH = 2


@dataclass(eq=False)
class Symbol:
    """A named integer; `sources` are (tensor, axis) it can be read from, axis None for its value.

    `lower`, `upper` and `values` (the few values it may have) hold where the program now is: a
    branch knows more than what is around it. `rank_of` is the tensor whose number of dims this is.
    `relations` are expressions with it that are not negative, as far as its bounds don't say so.
    `declared` says that the user gave it its name, as the size of a dynamic axis.
    """

    name: str
    lower: int | None = 0
    sources: list[tuple[Tensor, int | None]] = field(default_factory=list, repr=False)
    upper: int | None = None
    values: tuple[Dim, ...] | None = None
    rank_of: Tensor | None = field(default=None, repr=False)
    declared: bool = False
    relations: tuple[SymInt, ...] = ()

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True)
class Apply:
    """A function of integers without a polynomial form.

    `operator` is "floordiv", "max", "min", or "let" for an expression that is kept whole.
    """

    operator: str
    arguments: tuple[Dim, ...]

    def __str__(self) -> str:
        return self._text

    @cached_property
    def _text(self) -> str:
        inner = [str(a) for a in self.arguments]
        if self.operator == "floordiv":
            text = f"(({inner[0]}) // ({inner[1]}))"
        elif self.operator == "let":
            text = f"({inner[0]})"
        else:
            text = f"{self.operator}({', '.join(inner)})"
        if len(text) <= MAX_TEXT:
            return text
        return f"{self.operator}_{hashlib.sha256(text.encode()).hexdigest()[:12]}"


Atom: TypeAlias = Symbol | Apply
Monomial: TypeAlias = tuple[Atom, ...]
Dim: TypeAlias = Union[int, "SymInt"]
Shape: TypeAlias = tuple[Dim, ...]
Bounds: TypeAlias = tuple[int | None, int | None]


class SymInt:
    """An integer expression; see the module's docstring. Immutable, hashable, compares by form.

    Using one where Python needs a number (a condition, an index, `range`) raises
    `UnsupportedError`, for such a number must be known when the graph is built.
    """

    __slots__ = ("_hash", "_symbols", "_text", "terms")

    def __init__(self, terms: dict[Monomial, int]) -> None:
        self.terms = terms
        self._symbols: set[Symbol] | None = None
        self._text: str | None = None
        self._hash = hash(frozenset(terms.items()))

    @staticmethod
    def of(atom: Atom) -> SymInt:
        """The expression that is just this atom."""
        return SymInt({(atom,): 1})

    # ------------------------------------------------------------ structure

    def __hash__(self) -> int:
        return self._hash

    def __eq__(self, other: object) -> bool:
        return isinstance(other, SymInt) and self.terms == other.terms

    def symbols(self) -> set[Symbol]:
        """All symbols that occur, also inside functions."""
        if self._symbols is not None:
            return self._symbols
        self._symbols = found = set()
        for monomial in self.terms:
            for atom in monomial:
                if isinstance(atom, Symbol):
                    found.add(atom)
                else:
                    for argument in atom.arguments:
                        if isinstance(argument, SymInt):
                            found |= argument.symbols()
        return found

    def as_symbol(self) -> Symbol | None:
        """The symbol this expression consists of, if it is nothing else."""
        if len(self.terms) == 1:
            (monomial, factor), *_ = self.terms.items()
            if factor == 1 and len(monomial) == 1 and isinstance(monomial[0], Symbol):
                return monomial[0]
        return None

    def has_functions(self) -> bool:
        """Whether more than sums and products of symbols are in it."""
        return any(atom.__class__ is Apply for monomial in self.terms for atom in monomial)

    def with_values(self, values: Mapping[Symbol, Dim], seen: dict[int, Dim] | None = None) -> Dim:
        """The expression with some symbols replaced; `seen` as in `bounds`."""
        if not any(symbol in values for symbol in self.symbols()):
            return self
        seen = {} if seen is None else seen
        total = seen.get(id(self))
        if total is not None:
            return total
        total = 0
        for monomial, factor in self.terms.items():
            product: Dim = factor
            for atom in monomial:
                product = product * _atom_with_values(atom, values, seen)
            total = total + product
        seen[id(self)] = total
        return total

    def __str__(self) -> str:
        if self._text is None:
            self._text = self._spelt()
        return self._text

    def _spelt(self) -> str:
        parts = []
        named = [("*".join(map(str, monomial)), factor) for monomial, factor in self.terms.items()]
        for name, factor in sorted(named, key=lambda pair: (not pair[0], pair[0])):
            if not name:
                parts.append(str(factor))
            elif factor == 1:
                parts.append(name)
            elif factor == -1:
                parts.append(f"-{name}")
            else:
                parts.append(f"{factor}*{name}")
        return " + ".join(parts).replace("+ -", "- ")

    def __repr__(self) -> str:
        return str(self)  # as in `[x_0, 3]`, the shapes that messages show

    # ------------------------------------------------------------ arithmetic

    def __add__(self, other: Dim) -> Dim:
        terms = dict(self.terms)
        for monomial, factor in _terms(other).items():
            terms[monomial] = terms.get(monomial, 0) + factor
        return _normal(terms)

    __radd__ = __add__

    def __neg__(self) -> Dim:
        return _normal({m: -f for m, f in self.terms.items()})

    def __sub__(self, other: Dim) -> Dim:
        return self + (-other)

    def __rsub__(self, other: Dim) -> Dim:
        return (-self) + other

    def __mul__(self, other: Dim) -> Dim:
        terms: dict[Monomial, int] = {}
        for left, a in self.terms.items():
            for right, b in _terms(other).items():
                monomial = tuple(sorted(left + right, key=_order))
                terms[monomial] = terms.get(monomial, 0) + a * b
        return _normal(terms)

    __rmul__ = __mul__

    def __floordiv__(self, other: Dim) -> Dim:
        return _floordiv(self, other)

    def __rfloordiv__(self, other: int) -> Dim:
        return _floordiv(other, self)

    def __mod__(self, other: Dim) -> Dim:
        return self - other * (self // other)

    def __rmod__(self, other: int) -> Dim:
        return other - self * (other // self)

    # ------------------------------------------------------------ what needs a known number

    def _unknown(self) -> UnsupportedError:
        return UnsupportedError(f"the integer {self} is only known at run time, but must be known")

    def __bool__(self) -> bool:
        raise self._unknown()

    def __index__(self) -> int:
        raise self._unknown()

    def __int__(self) -> int:
        raise self._unknown()

    def __float__(self) -> float:
        raise self._unknown()

    def __abs__(self) -> int:
        raise self._unknown()

    def __truediv__(self, other: object) -> float:
        raise self._unknown()

    def __rtruediv__(self, other: object) -> float:
        raise self._unknown()

    def __pow__(self, other: object) -> int:
        raise self._unknown()

    def __rpow__(self, other: object) -> int:
        raise self._unknown()

    def __lt__(self, other: Dim) -> bool:
        return not _decide(self, other)

    def __ge__(self, other: Dim) -> bool:
        return _decide(self, other)

    def __le__(self, other: Dim) -> bool:
        return _decide(other, self)

    def __gt__(self, other: Dim) -> bool:
        return not _decide(other, self)

    # ------------------------------------------------------------ bounds

    def bounds(self, seen: dict[int, Bounds] | None = None) -> Bounds:
        """The smallest and the largest value, None where there is no bound.

        `seen` has those of the expressions inside that were met, for they share their parts.
        """
        seen = {} if seen is None else seen
        found = seen.get(id(self))
        if found is not None:
            return found
        low: int | None = 0
        high: int | None = 0
        for monomial, factor in self.terms.items():
            least, most = _monomial_bounds(monomial, seen)
            if factor < 0:
                least, most = most, least
            low = None if low is None or least is None else low + factor * least
            high = None if high is None or most is None else high + factor * most
        if low is None or high is None:
            remainder = self._bounds_of_remainder()
            low = remainder[0] if low is None else low
            high = remainder[1] if high is None else high
        seen[id(self)] = low, high
        return low, high

    def _bounds_of_remainder(self) -> Bounds:
        """The bounds of `c + n % k` and `c - n % k`, where `n % k` is `n - k * (n // k)`."""
        for monomial, factor in self.terms.items():
            atom = monomial[0] if len(monomial) == 1 else None
            if isinstance(atom, Apply) and atom.operator == "floordiv":
                dividend, divisor = atom.arguments
                if divisor != abs(factor):
                    continue
                quotients = factor * SymInt.of(atom)
                offset = self - quotients + (dividend if factor > 0 else -dividend)
                if isinstance(offset, int):
                    most = abs(factor) - 1
                    return (offset - most, offset) if factor > 0 else (offset, offset + most)
        return None, None

    def bound_of_symbol(self, lower: int) -> tuple[Symbol, int] | None:
        """What `self >= lower` says of the one symbol in it: it is at least the number given back.

        None where that is not one bound from below, as for -n or n * m.
        """
        variable = [(m, f) for m, f in self.terms.items() if m]
        (monomial, factor), *others = variable
        if others or len(monomial) > 1 or factor < 0:
            return None
        least = -((self.terms.get((), 0) - lower) // factor)
        atom = monomial[0]
        if isinstance(atom, Symbol):
            return atom, least
        inner, *rest = atom.arguments
        if atom.operator != "floordiv" or not isinstance(inner, SymInt):
            return None
        divisor = rest[0]
        if not isinstance(divisor, int) or divisor < 1:
            return None
        return inner.bound_of_symbol(least * divisor)

    def limit_of(self, symbol: Symbol) -> int | None:
        """The largest value that a symbol has where it equals this, a minimum of it and others."""
        ((monomial, factor), *others) = self.terms.items()
        atom = monomial[0] if len(monomial) == 1 and factor == 1 and not others else None
        if not isinstance(atom, Apply) or atom.operator != "min":
            return None
        limits = [v for v in atom.arguments if isinstance(v, int)]
        alone = SymInt.of(symbol) in atom.arguments
        return min(limits) if alone and limits else None


def resolved(value: Dim) -> Dim:
    """The integer, with what the program knows by now of the symbols in it."""
    while isinstance(value, SymInt):
        known = {s: s.values[0] for s in value.symbols() if s.values and len(s.values) == 1}
        if not known:
            break
        value = value.with_values(known)
    return value


def refreshed(value: Dim) -> Dim:
    """The integer as it would be made of its symbols now, when more may be known of them."""
    value = resolved(value)
    if not isinstance(value, SymInt) or not value.has_functions():
        return value
    return value.with_values({symbol: SymInt.of(symbol) for symbol in value.symbols()})


def _atom_with_values(atom: Atom, values: Mapping[Symbol, Dim], seen: dict[int, Dim]) -> Dim:
    if isinstance(atom, Symbol):
        return values.get(atom, SymInt.of(atom))
    arguments = [
        a.with_values(values, seen) if isinstance(a, SymInt) else a for a in atom.arguments
    ]
    if atom.operator == "floordiv":
        return arguments[0] // arguments[1]
    return arguments[0] if atom.operator == "let" else _extreme(atom.operator, arguments)


def is_ge(left: Dim, right: Dim) -> bool | None:
    """Whether left >= right holds for all sizes (True), for none (False), or can't be told."""
    return _is_above(left - right, 1)


def _is_above(difference: Dim, gap: int) -> bool | None:
    """Whether a difference is 0 or more (True), or certainly less by the gap (False)."""
    if isinstance(difference, int):
        return difference >= 0
    low, high = difference.bounds()
    if low is not None and low >= 0:
        return True
    if high is not None and high <= -gap:
        return False
    if _follows(difference, PROOF_DEPTH):
        return True
    return False if _follows(-difference - gap, PROOF_DEPTH) else None


def _is_not_negative(value: Dim, depth: int) -> bool:
    if isinstance(value, int):
        return value >= 0
    low = value.bounds()[0]
    return (low is not None and low >= 0) or _follows(value, depth)


def _follows(value: Dim, depth: int) -> bool:
    """Whether a relation, or all that an extreme may be, says that this is not negative.

    n - min(n, m) is not since n - n is not; min(n, m) - k is not if both n - k and m - k are not.
    """
    assert isinstance(value, SymInt)
    for symbol in value.symbols():
        for known in symbol.relations:
            rest = value - known
            low = rest if isinstance(rest, int) else rest.bounds()[0]
            if low is not None and low >= 0:
                return True
    if depth == 0:
        return False
    for monomial, factor in value.terms.items():
        atom = monomial[0] if len(monomial) == 1 else None
        if not isinstance(atom, Apply) or atom.operator not in ("min", "max"):
            continue
        rest = value - factor * SymInt.of(atom)
        parts = (_is_not_negative(rest + factor * a, depth - 1) for a in atom.arguments)
        if all(parts) if (atom.operator == "min") == (factor > 0) else any(parts):
            return True
    return False


def sym_max(*values: Dim) -> Dim:
    """The largest of integers of which some are symbolic."""
    return _extreme("max", values)


def sym_min(*values: Dim) -> Dim:
    """The smallest of integers of which some are symbolic."""
    return _extreme("min", values)


def _extreme(operator: str, values: Iterable[Dim]) -> Dim:
    result: Dim | None = None
    for value in values:
        if result is None:
            result = value
            continue
        larger = _larger(result, value)
        if larger is None:
            result = SymInt.of(Apply(operator, (result, value)))
        elif larger != (operator == "max"):
            result = value
    if result is None:
        raise ValueError(f"{operator} of no values")
    return result


def _larger(left: Dim, right: Dim) -> bool | None:
    """Whether left >= right (True) or right >= left (False); where both hold, either will do."""
    return _is_above(left - right, 0)


def _decide(left: Dim, right: Dim) -> bool:
    known = is_ge(left, right)
    if known is None:
        raise UnsupportedError(f"{left} >= {right} is only known at run time, but must be known")
    return known


def _terms(value: Dim) -> dict[Monomial, int]:
    return value.terms if isinstance(value, SymInt) else {(): int(value)}


def _normal(terms: dict[Monomial, int]) -> Dim:
    terms = {m: f for m, f in terms.items() if f}
    if not terms:
        return 0
    if len(terms) == 1 and () in terms:
        return terms[()]
    result = SymInt(terms)
    if len(terms) > MAX_TERMS or max(map(len, terms)) > MAX_DEGREE:
        return SymInt.of(Apply("let", (result,)))
    return result


def _floordiv(left: Dim, right: Dim) -> Dim:
    if isinstance(right, SymInt):
        if left == right and right.bounds()[0] not in (None, 0):
            return 1
        return SymInt.of(Apply("floordiv", (left, right)))
    if right == 0:
        raise ZeroDivisionError("integer division or modulo by zero")
    # floor((right * q + rest) / right) is q + floor(rest / right)
    quotient = {m: f // right for m, f in _terms(left).items()}
    rest = {m: f % right for m, f in _terms(left).items()}
    remainder = _normal(rest)
    whole = _normal(quotient)
    if isinstance(remainder, int):
        return whole + remainder // right
    if right > 0 and len(remainder.terms) == 1:
        (monomial, factor), *_ = remainder.terms.items()
        inner = monomial[0] if len(monomial) == 1 and factor == 1 else None
        if isinstance(inner, Apply) and inner.operator == "floordiv":
            value, divisor = inner.arguments
            if isinstance(divisor, int) and divisor > 0:
                return whole + _floordiv(value, divisor * right)
    return whole + SymInt.of(Apply("floordiv", (remainder, right)))


def _order(atom: Atom) -> tuple[str, int]:
    return str(atom), id(atom) if isinstance(atom, Symbol) else 0


def _monomial_bounds(monomial: Monomial, seen: dict[int, Bounds]) -> Bounds:
    low: int | None = 1
    high: int | None = 1
    for atom in monomial:
        least, most = _atom_bounds(atom, seen)
        if least is None or least < 0 or low is None:
            return (least, most) if len(monomial) == 1 else (None, None)
        low = low * least
        high = None if high is None or most is None else high * most
    return low, high


def _atom_bounds(atom: Atom, seen: dict[int, Bounds]) -> Bounds:
    if isinstance(atom, Symbol):
        if atom.values is not None and all(isinstance(v, int) for v in atom.values):
            return min(atom.values), max(atom.values)  # type: ignore[return-value]  # all are ints
        return atom.lower, atom.upper
    bounds = [a.bounds(seen) if isinstance(a, SymInt) else (a, a) for a in atom.arguments]
    if atom.operator == "let":
        return bounds[0]
    if atom.operator == "floordiv":
        (low, high), (divisor, largest) = bounds
        if divisor is None or divisor <= 0:
            return None, None
        if divisor == largest:
            return (
                None if low is None else low // divisor,
                None if high is None else high // divisor,
            )
        return (0 if low is not None and low >= 0 else None), high if high and high > 0 else None
    lows, highs = [b[0] for b in bounds], [b[1] for b in bounds]
    if atom.operator == "max":
        known = [v for v in lows if v is not None]
        full = [v for v in highs if v is not None]
        return (max(known) if known else None), (max(full) if len(full) == len(highs) else None)
    known = [v for v in lows if v is not None]
    full = [v for v in highs if v is not None]
    return (min(known) if len(known) == len(lows) else None), (min(full) if full else None)
