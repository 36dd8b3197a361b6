"""Statements of random programs: assignments, writes in place, containers, and headers of loops."""

from tests.conversion.random_expressions import Expressions
from tests.conversion.random_openings import Opening

__all__ = ["Statements"]


class Statements(Expressions):
    """Writes one statement."""

    def line(self) -> str:
        kinds = (
            [self.assign] * 6 + [self.write] * 5 + [self.indexed_write] * 2 + [self.on_list] * 3
            + [self.on_number] * 2 + [self.on_ints, self.on_dict, self.on_pair, self.on_option]
        )  # fmt: skip
        return self.rng.choice(kinds + [self.call] * 2 if self.helper else kinds)()

    def call(self) -> str:
        """The helper, which gives two tensors and an int, and may write to what it gets."""
        given = f"{self.tensor()}, {self.own(self.tensor())}, i, {self.integer()}, {self.rng.choice(self.scope.of('float'))}, flag"
        names = self.target("tensor"), self.target("tensor", 0.2), self.target("int", 0.2)
        return f"{', '.join(names)} = {self.helper}({given})"

    def assign(self) -> str:
        return f"{self.target('tensor')} = {self.own(self.any_tensor())}"

    # ------------------------------------------------------------ writes

    def write(self) -> str:
        a, b = self.tensor(), self.tensor()
        dim = self.dim(a)
        size = self.size(a, dim)
        k = self.integer()
        if self.top and self.maybe(0.1):
            # Other dims in place: where a branch or a Loop does that to an outer tensor, it is refused.
            return self.rng.choice([
                f"{a}.unsqueeze_({self.dim(a, 1)})", f"{a}.squeeze_({dim})", f"{a}.transpose_({dim}, 0)",
                f"{a}.t_()",
            ])  # fmt: skip
        return self.rng.choice([
            f"{a}.add_({b})", f"{a}.sub_({k})", f"{a}.mul_({b})", f"{a}.neg_()", f"{a}.zero_()", f"{a}.fill_({k})",
            f"{a}.relu_()", f"{a}.clamp_(-2, 2)", f"{a}.copy_({b})", f"{a}.masked_fill_({a} < {k}, 3.0)",
            f"{a} += {b}", f"{a} *= {k}", f"{a}.abs_()", f"{a}.add_({k})", f"{a}.select({dim}, {self.index(size)}).add_({k})",
            f"{a}.transpose({dim}, 0)[0] = {k}", f"{a}.diagonal().fill_({k})", f"{a}.view(-1)[0] = {k}",
            f"{a}.unsqueeze({dim}).mul_({k})", f"{a}.t().copy_({b})", f"{a}.narrow({dim}, 0, {self.rng.randint(0, size)}).sub_({k})",
            f"{a}.masked_scatter_({a} > 0, {b}.clone())", f"torch.add({a}, {k}, out={a})", f"{a}.flatten()[:1] = {k}",
            f"{a}.unbind({dim})[0].mul_({k})", f"{self.pieces(a, dim)}[0].add_({b})", f"{a}.view(-1)[::2].add_({k})",
            f"{a}.permute({list(range(len(self.shape(a))))[::-1]}).mul_({k})", f"{a}.cumsum_({dim})", f"{a}.tril_()",
            f"{a}.movedim({dim}, 0)[:1].copy_({b})", f"{a}.fill_({a}.sum())", f"{a}[..., None].add_({b})", f"{a}.mul_({a}.size(0))",
            f"{self.pieces(a, dim)}[-1].zero_()", f"{a}.unflatten({dim}, [1, -1]).sub_({k})", f"{a}.eq_({b})", f"{a}.remainder_(3)",
        ])  # fmt: skip

    def indexed_write(self) -> str:
        """Writes to a part: by an index, a slice, a mask, tensors of indices."""
        a, b = self.tensor(), self.tensor()
        dim = self.dim(a)
        k, size = self.integer(), self.size(a, 0)
        places = self.places(a, b, dim)
        if self.maybe(0.3):
            return self.rng.choice([
                f"{a}.index_fill_({dim}, i, {k})", f"{a}.index_add_({dim}, i, {b})", f"{a}.scatter_({dim}, {places}, {k})",
                f"{a}.scatter_add_({dim}, {places}, {b})", f"{a}.index_put_([i], {b}, accumulate=True)", f"{a}.index_copy_(0, i[:1], {b})",
                f"{a}.index_put_([{a} > {k}], torch.tensor({k}).to({a}.dtype))", f"{a}.index_put_([i, i], {b}, accumulate=True)",
            ])  # fmt: skip
        place = self.rng.choice([
            f"{a}[{self.index(size)}]", f"{a}[{self.bound(size)}:]", f"{a}[::2]", f"{a}[1::3]", f"{a}[..., 0]", f"{a}[:, :{self.bound(2)}]",
            f"{a}[{a} > {k}]", f"{a}[torch.tensor([{self.index(size)}, 0])]", f"{a}[:]", f"{a}[..., :1]", f"{a}[i]", f"{a}[i, i]",
            f"{a}[:, i]", f"{a}[i, 0]", f"{a}[0, i]", f"{a}[{a} > {b}]", f"{a}[-2:-1]", f"{a}[..., ::2]", f"{a}[i, 1:]", f"{a}[({a} > 0).any(-1)]",
            f"{a}[i[:, None], i]", f"{a}[:, None]", f"{a}[...]", f"{a}[{self.index(size)}, {self.index(2)}]",
        ])  # fmt: skip
        return place + self.rng.choice([
            f" = {k}", f" = {k}", f" = {b}", f" += {k}", f" *= {k}", f" = {b}[:1]", f" = {b}.sum()", f" -= {b}", f" = {self.rng.choice(self.scope.of('float'))}",
        ])  # fmt: skip

    # ------------------------------------------------------------ containers

    def on_list(self) -> str:
        values, a = self.tensors(), self.own(self.tensor())
        held = self.value(values)
        count = len(held) if isinstance(held, list) else 0
        index = self.rng.randint(-count, count - 1) if count else 0
        k = self.rng.randint(0, 5)
        if k == 0:
            return f"{self.target('tensor')} = {self.own(f'{values}[{index}]')}"
        if k == 1:
            b, dim = self.tensor(), self.rng.randint(-1, 0)
            return f"{self.target('list', 0.2)} = " + self.rng.choice([
                f"{values}", f"{values}[:{self.rng.randint(1, 3)}]", f"[{a}, {a} + 1]", f"{values} + [{a}]", f"list({values})",
                f"list({b}.unbind(0))", f"{values} * 2", f"[t * 2 for t in {values}]", f"{values}[::-1]",
                f"list({self.pieces(b, dim)})", f"[{b} + k for k in range({self.integer()})]", f"{values}[1:]", f"[t + 1 for t in {b}]",
            ])  # fmt: skip
        return self.rng.choice([
            f"{values}.append({a})", f"{values}.append({a})", f"{values}[{index}] = {a}", f"{values}.insert(0, {a})",
            f"{values}.reverse()", f"{values}.pop()", f"{values}.pop({index})", f"{values}.extend([{a}, {a}])",
            f"{values}[{index}].add_(1)", f"{values}[{index}] = {values}[{index}] + 1", f"{values} += [{a}]",
            f"{values}[{index}][0] = 5", f"{values}.insert({index}, {a})", f"del {values}[{index}]", f"{values}.extend({self.tensors()})",
        ])  # fmt: skip

    def on_ints(self) -> str:
        n, a = self.integer(), self.tensor()
        if not self.scope.of("ints") or self.maybe(0.4):
            name = self.target("ints", 0.2)
            return f"{name}: List[int] = " + self.rng.choice([
                f"[{n}, 1]", f"[j * 2 for j in range({n})]", f"[t.size(0) for t in {self.tensors()}]", f"list({a}.shape)", f"[{a}.numel()]",
                f"list(range({n}))"
            ])  # fmt: skip
        values = self.rng.choice(self.scope.of("ints"))
        choices = [
            f"{values}.append({n})", f"{values}[0] = {n}", f"{values}.sort()", f"{values}.reverse()", f"{values}.pop()", f"{values} += [{n}]",
            f"{values} = {values} + [{n}]", f"{values}[-1] += 1", f"{values} = sorted({values})", f"{values}.insert(0, {n})", f"{values}.extend({values})",
        ]  # fmt: skip
        if self.maybe(0.4):
            b = self.rng.choice(
                [
                    f"{a} + sum({values})",
                    f"torch.tensor({values})",
                    f"{a}.reshape({values})",
                    f"torch.zeros({values})",
                ]
            )
            return f"{self.target('tensor', 0)} = {b}"
        return self.rng.choice(choices)

    def on_dict(self) -> str:
        a, b = self.own(self.tensor()), self.own(self.tensor())
        if not self.scope.of("dict") or self.maybe(0.2):
            name = self.target("dict", 0.2)
            return f"{name}: Dict[str, torch.Tensor] = " + self.rng.choice(
                ["{'a': %s, 'b': %s}", "{'b': %s + 1, 'a': %s}"]
            ) % (a, b)
        d = self.rng.choice(self.scope.of("dict"))
        key = self.rng.choice("abc")
        if self.maybe(0.4):
            value = self.rng.choice(
                [f"{d}['{key}']", f"{d}.get('{key}', {b})", f"torch.stack(list({d}.values()))"]
            )
            return f"{self.target('tensor', 0.3)} = {self.own(value)}"
        return self.rng.choice([
            f"{d}['{key}'] = {a}", f"{d}['{key}'] = {d}['a'] + 1", f"{d}['{key}'].add_(1)", f"{d}.pop('{key}')", f"del {d}['{key}']",
            f"{d}.setdefault('{key}', {a})", f"{d}.update({{'a': {a}, 'c': {b}}})", f"{d} = {{key: t * 2 for key, t in {d}.items()}}",
            f"{d}['{key}'][0] = 2",
        ])  # fmt: skip

    def on_pair(self) -> str:
        """Named tuples and plain ones."""
        a, n = self.own(self.tensor()), self.integer()
        if not self.scope.of("pair") or self.maybe(0.3):
            return f"{self.target('pair', 0.3)} = Pair({a}, {n})"
        p = self.rng.choice(self.scope.of("pair"))
        if self.maybe(0.3):
            t, k = self.fresh("tensor"), self.fresh("int")
            self.scope.of("tensor").append(t)
            self.scope.of("int").append(k)
            return (
                f"{t}, {k} = {self.rng.choice([p, f'({p}.first + 1, {p}.count)', f'({a}, {n})'])}"
            )
        return self.rng.choice([
            f"{p} = Pair({p}.first + 1, {p}.count + {n})", f"{p}.first.add_(1)", f"{self.target('tensor')} = {self.own(f'{p}.first')}",
            f"{self.target('tensor', 0.3)} = ({p}.first * {p}.count, {a})[{self.rng.randint(0, 1)}]",
        ])  # fmt: skip

    def on_option(self) -> str:
        a = self.own(self.tensor())
        if not self.scope.of("option"):
            return (
                f"{self.target('option')}: Optional[torch.Tensor] = {self.rng.choice(['None', a])}"
            )
        o = self.rng.choice(self.scope.of("option"))
        return self.rng.choice([
            f"{o} = None", f"{o} = {a}", f"{o} = {a}", f"{self.target('tensor', 0.3)} = {o} if {o} is not None else {a}",
            f"{self.target('tensor', 0)} = {a} if {o} is None else {o} + 1", f"{self.target('bool')} = {o} is None",
        ])  # fmt: skip

    def on_number(self) -> str:
        kind = self.rng.choice(["int", "int", "int", "float", "bool"])
        value = {"int": self.number, "float": self.real, "bool": self.condition}[kind]()
        return f"{self.target(kind)} = {value}"

    # ------------------------------------------------------------ compound statements

    def branch(self) -> Opening:
        options = self.scope.of("option")
        if options and self.maybe(0.4):
            o = self.rng.choice(options)
            return Opening(f"if {o} is not None:", bound=(("tensor", o),))
        return Opening(f"if {self.condition()}:")

    def loop(self) -> Opening:
        k, t = self.fresh("int"), self.fresh("tensor")
        a, values = self.tensor(), self.tensors()
        n = self.rng.choice(self.scope.of("int"))
        if self.maybe(0.2):
            return self.while_loop()
        numbers = [
            f"range({n})", f"range({self.rng.randint(0, 3)})", f"range({a}.size(0))", f"range(3, {n}, -1)", f"range({n}, 6, 2)",
            f"range(len({values}))", *(f"list({q})" for q in self.scope.of("ints")),
        ]  # fmt: skip
        numbers += [
            f"range({n}, -1, -1)",
            f"range(0, {a}.size(0), 2)",
            f"range({n}, {self.integer()})",
        ]
        tensors = [
            a,
            f"list({values})",
            f"{a}.unbind(0)",
            self.pieces(a, 0),
            f"list({values})[::-1]",
        ]
        tensors += [f"list({d}.values())" for d in self.scope.of("dict")]
        pairs = [
            f"enumerate({a})",
            f"enumerate(list({values}))",
            f"zip(range({n}), {a})",
            f"enumerate({a}.unbind(-1))",
            f"enumerate({a}, 1)",
            f"zip(range(3, {n}, -1), list({values}))",
        ]
        pairs += [f"zip({q}, list({values}))" for q in self.scope.of("ints")]
        first = self.rng.random()
        if first < 0.4:
            over = self.rng.choice(numbers)
            return Opening(f"for {k} in {over}:", (f"{k} = list({over})[0]",), (("int", k),))
        if first < 0.65:
            over = self.rng.choice(tensors)
            return Opening(f"for {t} in {over}:", (f"{t} = {over}[0]",), (("tensor", t),))
        if first < 0.85:
            over = self.rng.choice(pairs)
            return Opening(
                f"for {k}, {t} in {over}:",
                (f"{k}, {t} = list({over})[0]",),
                (("int", k), ("tensor", t)),
            )
        if self.scope.of("dict"):
            over = f"{self.rng.choice(self.scope.of('dict'))}.items()"
            return Opening(
                f"for key, {t} in {over}:", (f"key, {t} = list({over})[0]",), (("tensor", t),)
            )
        other, u = f"{self.tensor()}.unbind(0)", self.fresh("tensor")
        over = f"zip(list({values}), {other})"
        return Opening(
            f"for {t}, {u} in {over}:",
            (f"{t}, {u} = list({over})[0]",),
            (("tensor", t), ("tensor", u)),
        )

    def while_loop(self) -> Opening:
        """A counter, which nothing else writes, bounds the trips."""
        w = self.fresh("counter")
        condition = self.rng.choice(["", f" and {self.condition()}"])
        header = f"while {w} < {self.rng.choice([self.integer(), '3'])}{condition}:"
        return Opening(header, (), (), (f"{w} = 0",), (f"{w} += 1",))
