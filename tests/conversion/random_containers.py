"""Statements of random programs on containers in containers: in lists, in dicts, in tuples."""

from tests.conversion.random_openings import Opening
from tests.conversion.random_statements import Statements

__all__ = ["Containers"]


class Containers(Statements):
    """Makes, reads and changes nested containers, whose parts are often known by other names, too."""

    def place_in(self, values: object) -> int:
        """An index into what may be a list."""
        count = len(values) if isinstance(values, (list, tuple)) else 0
        return self.rng.randint(-count, count - 1) if count else 0

    def some_list(self) -> str:
        """A list, often one that has a name already."""
        a = self.own(self.tensor())
        return self.rng.choice([
            self.tensors(), self.tensors(), f"[{a}]", f"list({self.tensors()})", f"{self.tensors()}[:1]",
            f"{self.tensors()}.copy()", f"[{a}, {a}]",
        ])  # fmt: skip

    def on_nested(self) -> str:
        a, values = self.own(self.tensor()), self.some_list()
        if not self.scope.of("nested") or self.maybe(0.15):
            text = self.rng.choice([
                "{'a': %s, 'b': [%s]}", "{'a': %s, 'b': [%s]}", "{'b': %s, 'a': [%s], 'c': []}",
            ]) % (values, a)  # fmt: skip
            return f"{self.target('nested', 0.2)}: Dict[str, List[torch.Tensor]] = {text}"
        d = self.rng.choice(self.scope.of("nested"))
        key, other = self.rng.choice("aabc"), self.rng.choice("ab")
        held = self.value(d)
        item = self.place_in(held.get(key) if isinstance(held, dict) else None)
        k = self.rng.random()
        if k < 0.2:
            return f"{self.target('tensor', 0.3)} = {self.own(f'''{d}['{key}'][{item}]''')}"
        if k < 0.35:
            return f"{self.target('list', 0.3)} = {self.rng.choice([f'''{d}['{key}']''', f'''{d}.get('{key}', {values})''', f'''{d}.pop('{key}')''', f'''{d}.setdefault('{key}', {values})'''])}"
        return self.rng.choice([
            f"{d}['{key}'].append({a})", f"{d}['{key}'].append({a})", f"{d}['{key}'] = {values}", f"{d}['{key}'][{item}].add_(1)",
            f"{d}['{key}'][{item}] = {a}", f"{d}.setdefault('{key}', []).append({a})", f"{d}['a'], {d}['b'] = {d}['b'], {d}['a']",
            f"{d}['{key}'].clear()", f"{d}['{key}'].pop({item})", f"del {d}['{key}'][{item}]", f"{d}['{key}'] += [{a}]",
            f"{d}['{key}'].extend({d}['{other}'])", f"{d}['{key}'].insert({item}, {a})", f"{d}['{key}'].reverse()", f"{d} = {d}.copy()",
            f"{d}['{key}'] = [t + 1 for t in {d}['{other}']]", f"{d}['{key}'] = {d}['{other}']", f"{d}['{key}'] = {d}['{other}'] + {values}",
            f"{d}.update({{'{key}': {values}}})", f"{d}['{key}'] = {d}['{other}'][::-1]", f"{d}['{key}'][{item}][0] = 3",
            f"{d}['{key}'][{item}], {d}['{other}'][0] = {d}['{other}'][0], {d}['{key}'][{item}]",
        ])  # fmt: skip

    def on_table(self) -> str:
        a, values, more = self.own(self.tensor()), self.some_list(), self.some_list()
        if not self.scope.of("table") or self.maybe(0.15):
            b = self.tensor()
            text = self.rng.choice([
                f"[{values}, {more}]", f"[{values}, [{a}]]", f"[[{a}], {values}, {values}]", f"[list({b}.unbind(0)), {values}]",
                f"[[{a}] for _ in range({self.integer()})]",
            ])  # fmt: skip
            return f"{self.target('table', 0.2)}: List[List[torch.Tensor]] = {text}"
        t = self.rng.choice(self.scope.of("table"))
        held = self.value(t)
        row = self.place_in(held)
        item = self.place_in(held[row] if isinstance(held, list) and held else None)
        k = self.rng.random()
        if k < 0.2:
            return f"{self.target('tensor', 0.3)} = {self.own(f'{t}[{row}][{item}]')}"
        if k < 0.35:
            return f"{self.target('list', 0.3)} = {self.rng.choice([f'{t}[{row}]', f'{t}[{row}]', f'{t}.pop({row})', f'[row[0] for row in {t}]', f'{t}[0] + {t}[-1]'])}"
        return self.rng.choice([
            f"{t}[{row}].append({a})", f"{t}[{row}].append({a})", f"{t}[{row}] = {values}", f"{t}.append({values})", f"{t}.append([{a}])",
            f"{t}[0], {t}[{row}] = {t}[{row}], {t}[0]", f"{t}.insert({row}, {values})", f"{t}.reverse()", f"{t} = {t}[{self.rng.randint(0, 1)}:]",
            f"{t}[{row}][{item}].mul_(2)", f"{t}[{row}][{item}] = {a}", f"del {t}[{row}]", f"{t}.extend({t})", f"{t} = {t} + [{values}]",
            f"{t}[{row}].pop({item})", f"{t}[{row}].clear()", f"{t} = [row[:1] for row in {t}]", f"{t} = {t} * 2", f"{t}[{row}] += [{a}]",
            f"{t} = {t}.copy()", f"{t}[{row}][{item}][..., 0] = 4", f"{t} = [[t * 2 for t in row] for row in {t}]",
        ])  # fmt: skip

    def on_pairs(self) -> str:
        a, b, n = self.own(self.tensor()), self.own(self.tensor()), self.integer()
        if not self.scope.of("pairs") or self.maybe(0.15):
            text = self.rng.choice(
                [f"[({a}, {n})]", f"[({a}, {n}), ({b}, 1)]", f"[({a}, k) for k in range({n})]"]
            )
            return f"{self.target('pairs', 0.2)}: List[Tuple[torch.Tensor, int]] = {text}"
        p = self.rng.choice(self.scope.of("pairs"))
        item = self.place_in(self.value(p))
        k = self.rng.random()
        if k < 0.3:
            t, m = self.target("tensor", 0.3), self.target("int", 0.3)
            return f"{t}, {m} = {self.rng.choice([f'{p}[{item}]', f'{p}.pop({item})'])}"
        if k < 0.4:
            return f"{self.target('list', 0.3)} = [q[0] for q in {p}]"
        return self.rng.choice([
            f"{p}.append(({a}, {n}))", f"{p}.append(({a}, {n}))", f"{p}[{item}] = ({a}, {p}[{item}][1] + {n})", f"{p}[{item}][0].add_({n})",
            f"{p}[{item}] = ({p}[0][0], {n})", f"{p}.reverse()", f"{p}.insert({item}, ({a}, {n}))", f"{p} = {p}[1:]", f"{p}.pop()",
            f"{p}.append({p}[{item}])", f"{p}[0], {p}[{item}] = {p}[{item}], {p}[0]", f"{p} = [(q[0] + 1, q[1]) for q in {p}]",
        ])  # fmt: skip

    def on_bundle(self) -> str:
        a, n, values = self.own(self.tensor()), self.integer(), self.some_list()
        if not self.scope.of("bundle") or self.maybe(0.15):
            return f"{self.target('bundle', 0.3)} = ({values}, {n})"
        b = self.rng.choice(self.scope.of("bundle"))
        if self.maybe(0.25):
            return f"{self.target('list', 0.3)}, {self.target('int', 0.3)} = {b}"
        return self.rng.choice([
            f"{b}[0].append({a})", f"{b}[0].append({a})", f"{b} = ([{a}], {b}[1] + {n})", f"{b} = ({b}[0] + [{a}], {n})", f"{b}[0][0].add_(1)",
            f"{b}[0][-1] = {a}", f"{b} = ({b}[0], {b}[1] - 1)", f"{b} = ({values}, {b}[1])", f"{b}[0].pop()", f"{b}[0].insert(0, {a})",
            f"{b}[0].extend({values})",
        ])  # fmt: skip

    def on_counts(self) -> str:
        n, key, other = self.integer(), self.rng.choice("abc"), self.rng.choice("abc")
        if not self.scope.of("counts") or self.maybe(0.15):
            text = self.rng.choice(["{'a': %s, 'b': 2}", "{'b': %s, 'a': 0, 'c': 1}"]) % n
            return f"{self.target('counts', 0.2)}: Dict[str, int] = {text}"
        c = self.rng.choice(self.scope.of("counts"))
        if self.maybe(0.3):
            text = self.rng.choice([
                f"{c}['{key}']", f"{c}.get('{key}', {n})", f"{c}.pop('{key}')", f"sum(list({c}.values()))", f"max(list({c}.values()))",
                f"{c}.setdefault('{key}', {n})", f"len({c})",
            ])  # fmt: skip
            return f"{self.target('int', 0.3)} = {text}"
        return self.rng.choice([
            f"{c}['{key}'] += {n}", f"{c}['{key}'] = {n}", f"{c}['{key}'] = {c}['{other}'] + 1", f"{c}.update({{'{key}': {n}}})", f"{c} = {c}.copy()",
            f"{c}['{key}'], {c}['{other}'] = {c}['{other}'], {c}['{key}']", f"{c} = {{key: k + 1 for key, k in {c}.items()}}",
        ])  # fmt: skip

    def condition(self) -> str:
        if self.maybe(0.85):
            return super().condition()
        choices = [
            *(f"'{self.rng.choice('bc')}' in {d}" for d in self.scope.of("nested")), *(f"len({d}['a']) > 1" for d in self.scope.of("nested")),
            *(f"len({t}) > 2" for t in self.scope.of("table")), *(f"len({t}[0]) == 1" for t in self.scope.of("table")),
            *(f"{p}[0][1] > 1" for p in self.scope.of("pairs")), *(f"len({b}[0]) > {b}[1]" for b in self.scope.of("bundle")),
            *(f"{c}['a'] > 1" for c in self.scope.of("counts")), *(f"'c' not in {c}" for c in self.scope.of("counts")),
        ]  # fmt: skip
        return self.rng.choice(choices) if choices else super().condition()

    def loop(self) -> Opening:
        if self.maybe(0.8):
            return super().loop()
        return self.rng.choice(self.openings() or [super().loop()])

    def openings(self) -> list[Opening]:
        """Loops over the nested containers that there are."""
        row, t, k = self.fresh("list"), self.fresh("tensor"), self.fresh("int")
        found = []
        for table in self.scope.of("table"):
            found += [
                _over(f"{row} in {table}", row, f"{table}[0]", ("list", row)),
                _over(f"{k}, {row} in enumerate({table})", f"{k}, {row}", f"list(enumerate({table}))[0]", ("int", k), ("list", row)),
                _over(f"{t} in {table}[0]", t, f"{table}[0][0]", ("tensor", t)),
            ]  # fmt: skip
        for d in self.scope.of("nested"):
            found += [
                _over(f"key, {row} in {d}.items()", f"key, {row}", f"list({d}.items())[0]", ("list", row)),
                _over(f"{row} in list({d}.values())", row, f"list({d}.values())[0]", ("list", row)),
                _over(f"{t} in list({d}['a'])", t, f"{d}['a'][0]", ("tensor", t)),
            ]  # fmt: skip
        for p in self.scope.of("pairs"):
            found.append(
                _over(f"{t}, {k} in list({p})", f"{t}, {k}", f"{p}[0]", ("tensor", t), ("int", k))
            )
        for b in self.scope.of("bundle"):
            found.append(
                _over(
                    f"{k}, {t} in enumerate(list({b}[0]))",
                    f"{k}, {t}",
                    f"list(enumerate({b}[0]))[0]",
                    ("int", k),
                    ("tensor", t),
                )
            )
        for c in self.scope.of("counts"):
            found.append(
                _over(f"key, {k} in {c}.items()", f"key, {k}", f"list({c}.items())[0]", ("int", k))
            )
        return found


def _over(header: str, names: str, first: str, *bound: tuple[str, str]) -> Opening:
    return Opening(f"for {header}:", (f"{names} = {first}",), bound)
