"""Statements of random programs on strings."""

from tests.conversion.random_statements import Statements

__all__ = ["Texts"]


class Texts(Statements):
    """Makes strings, and asks them."""

    def on_text(self) -> str:
        literal = self.rng.choice(["'ab'", "'a1'", "''", "'b,a'", "'c'"])
        if not self.scope.of("text") or self.maybe(0.2):
            return f"{self.target('text', 0.3)} = {literal}"
        s = self.rng.choice(self.scope.of("text"))
        if self.maybe(0.25):
            text = self.rng.choice(
                [
                    f"len({s})",
                    f"{s}.find('a')",
                    f"{s}.count('a')",
                    f"len({s}.split(','))",
                    f"ord({s}[0])",
                ]
            )
            return f"{self.target('int', 0.3)} = {text}"
        return f"{s} = " + self.rng.choice([
            f"{s} + {literal}", f"{s}.upper()", f"{s}.replace('a', 'c')", f"{s}[1:]", f"{literal} if {self.condition()} else {s}", f"','.join([{s}, {literal}])",
            f"'{{}}{{}}'.format({s}, {literal})", f"{s}.strip('a')", f"{s}[::-1]", f"{s} * 2", f"str(len({self.tensors()}))",
        ])  # fmt: skip

    def condition(self) -> str:
        if not self.scope.of("text") or self.maybe(0.95):
            return super().condition()
        s = self.rng.choice(self.scope.of("text"))
        return self.rng.choice(
            [f"{s} == 'ab'", f"{s}.startswith('a')", f"'a' in {s}", f"len({s}) > 1", f"{s} != 'c'"]
        )
