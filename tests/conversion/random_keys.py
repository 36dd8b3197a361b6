"""Statements of random programs on dicts that the run gives keys, and on lists of strings."""

from tests.conversion.random_openings import Opening
from tests.conversion.random_statements import Statements

__all__ = ["Keys"]


class Keys(Statements):
    """Enters keys of the run, asks for them and takes them out."""

    def on_tally(self) -> str:
        """Numbers by a key of the run."""
        n, key = self.integer(), self.key()
        if not self.scope.of("tally") or self.maybe(0.15):
            text = self.rng.choice([f"{{{n}: 2}}", "{}", f"{{k: k * 2 for k in range({n})}}"])
            return f"{self.target('tally', 0.2)}: Dict[int, int] = {text}"
        d = self.rng.choice(self.scope.of("tally"))
        if self.maybe(0.3):
            text = self.rng.choice([
                f"{d}.get({key}, {n})", f"{d}.pop({key}, {n})", f"{d}.setdefault({key}, {n})", f"len({d})", f"sum(list({d}.values()))",
                f"{d}[{key}]", f"{d}.pop({key})", f"list({d}.keys())[-1]",
            ])  # fmt: skip
            return f"{self.target('int', 0.3)} = {text}"
        return self.rng.choice([
            f"{d}[{key}] = {n}", f"{d}[{key}] = {d}.get({key}, 0) + 1", f"{d}[{key}] = {d}.get({key}, 0) + 1", f"{d}[{key}] += 1",
            f"{d} = {d}.copy()", f"{d} = {{key: k + 1 for key, k in {d}.items()}}", f"del {d}[{key}]", f"{d}.update({{{key}: {n}}})",
        ])  # fmt: skip

    def on_memo(self) -> str:
        """Tensors by a key of the run."""
        a, b, key = self.own(self.tensor()), self.own(self.tensor()), self.key()
        if not self.scope.of("memo") or self.maybe(0.15):
            text = self.rng.choice([f"{{{key}: {a}}}", "{}", f"{{k: {a} for k in range({key})}}"])
            return f"{self.target('memo', 0.2)}: Dict[int, torch.Tensor] = {text}"
        d = self.rng.choice(self.scope.of("memo"))
        if self.maybe(0.3):
            text = self.rng.choice([
                f"{d}[{key}]", f"{d}.get({key}, {b})", f"{d}.pop({key})", f"{d}.pop({key}, {b})", f"list({d}.values())[0]",
                f"torch.stack(list({d}.values()))", f"{d}.setdefault({key}, {a})",
            ])  # fmt: skip
            return f"{self.target('tensor', 0.3)} = {self.own(text)}"
        return self.rng.choice([
            f"{d}[{key}] = {a}", f"{d}[{key}] = {a}", f"{d}[{key}].add_(1)", f"{d}[{key}] = {d}[{key}] * 2", f"{d} = {d}.copy()",
            f"{d} = {{key: t * 2 for key, t in {d}.items()}}", f"del {d}[{key}]", f"{d}[{key}] = {d}.get({key}, {a}) + 1",
        ])  # fmt: skip

    def on_words(self) -> str:
        """Strings of which only the run tells how many there are."""
        word, n = (
            self.rng.choice(["'a'", "'bc'", f"('a' if {self.condition()} else 'd')"]),
            self.integer(),
        )
        if not self.scope.of("words") or self.maybe(0.15):
            text = self.rng.choice([f"[{word}, 'a']", f"['bc' for _ in range({n})]"])
            return f"{self.target('words', 0.2)}: List[str] = {text}"
        w = self.rng.choice(self.scope.of("words"))
        if self.maybe(0.2):
            text = self.rng.choice(
                [
                    f"len({w})",
                    f"{w}.count('a')",
                    f"len({w}[-1])",
                    f"{w}.index('bc')",
                    f"len({w}.pop())",
                ]
            )
            return f"{self.target('int', 0.3)} = {text}"
        return self.rng.choice([
            f"{w}.append({word})", f"{w}.append({word})", f"{w} = {w} + [{word}]", f"{w}[0] = {word}", f"{w}.insert({n}, {word})",
            f"{w} = {w}[{n}:]", f"{w}.reverse()", f"{w} = sorted({w})", f"{w} = {w} * 2", f"{w}.pop()", f"{w}.remove('a')",
        ])  # fmt: skip

    def key(self) -> str:
        """A key, most often one of the run."""
        return self.rng.choice([self.integer(), self.rng.choice(self.scope.of("int")), "2", "0"])

    def condition(self) -> str:
        choices = [
            *(f"{self.key()} in {d}" for d in (*self.scope.of("tally"), *self.scope.of("memo"))), *(f"'bc' in {w}" for w in self.scope.of("words")),
            *(f"len({d}) > 1" for d in self.scope.of("tally")), *(f"{w}[0] == 'a'" for w in self.scope.of("words")),
        ]  # fmt: skip
        if not choices or self.maybe(0.8):
            return super().condition()
        return self.rng.choice(choices)

    def loop(self) -> Opening:
        t, k, key = self.fresh("tensor"), self.fresh("int"), self.fresh("int")
        found = [
            Opening(f"for {key}, {t} in {d}.items():", (f"{key}, {t} = list({d}.items())[0]",), (("tensor", t), ("int", key)))
            for d in self.scope.of("memo")
        ]  # fmt: skip
        found += [
            Opening(f"for {key}, {k} in {d}.items():", (f"{key}, {k} = list({d}.items())[0]",), (("int", k), ("int", key)))
            for d in self.scope.of("tally")
        ]  # fmt: skip
        if not found or self.maybe(0.7):
            return super().loop()
        return self.rng.choice(found)
