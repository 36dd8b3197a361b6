"""Statements of random programs on objects: script classes, unions, enums, optional numbers."""

from tests.conversion.random_openings import Opening
from tests.conversion.random_statements import Statements

__all__ = ["Objects"]

MODES = ("Mode.SUM", "Mode.MAX", "Mode.NONE")


class Objects(Statements):
    """Makes objects, calls their methods and changes what they hold."""

    def on_holder(self) -> str:
        a, n = self.own(self.tensor()), self.integer()
        if not self.scope.of("holder") or self.maybe(0.2):
            return f"{self.target('holder', 0.4)} = Holder({a}, {n})"
        h = self.rng.choice(self.scope.of("holder"))
        k = self.rng.random()
        if k < 0.3:
            text = self.rng.choice([
                f"{h}.value", f"{h}.latest()", f"{h}.take()", f"{h}.add({a})", f"{h}.swap()", f"{h}.items[-1]", f"{h}.items[0]",
            ])  # fmt: skip
            return f"{self.target('tensor', 0.3)} = {self.own(text)}"
        if k < 0.4:
            return f"{self.target('int', 0.3)} = {self.rng.choice([f'{h}.count', f'{h}.put({a})', f'len({h}.items)'])}"
        return self.rng.choice([
            f"{h}.value = {a}", f"{h}.value.add_({n})", f"{h}.count += {n}", f"{h}.items.append({a})", f"{h}.items = {self.tensors()}",
            f"{h}.last = {a}", f"{h}.last = None", f"{h}.add({a})", f"{h}.put({a})", f"{h}.swap()", f"{h}.items[0] = {h}.value",
            f"{self.target('list', 0.3)} = {h}.items", f"{h}.items.pop()", f"{self.target('option', 0.3)} = {h}.last", f"{h}.value = {h}.value * 2",
            f"{self.target('holder', 0.4)} = {self.rng.choice(self.scope.of('holder'))}", f"{h}.value[0] = {n}", f"{h}.items += [{a}]",
        ])  # fmt: skip

    def on_union(self) -> str:
        a, n = self.own(self.tensor()), self.integer()
        if not self.scope.of("union") or self.maybe(0.1):
            return (
                f"{self.target('union', 0)}: Union[int, torch.Tensor] = {self.rng.choice([a, n])}"
            )
        u = self.rng.choice(self.scope.of("union"))
        return self.rng.choice([
            f"{u} = {a}", f"{u} = {n}", f"{self.target('tensor', 0.3)} = {u} + 1 if isinstance({u}, torch.Tensor) else {a}",
            f"{self.target('int', 0.3)} = {u} if isinstance({u}, int) else {n}", f"{self.target('bool', 0.3)} = isinstance({u}, int)",
        ])  # fmt: skip

    def on_mode(self) -> str:
        if not self.scope.of("mode") or self.maybe(0.1):
            return f"{self.target('mode', 0.2)} = {self.rng.choice(MODES)}"
        m = self.rng.choice(self.scope.of("mode"))
        return self.rng.choice([
            f"{m} = {self.rng.choice(MODES)}", f"{m} = {self.rng.choice(MODES)} if {self.condition()} else {self.rng.choice(MODES)}",
            f"{self.target('int', 0.3)} = {m}.value", f"{self.target('bool', 0.3)} = {m} != {self.rng.choice(MODES)}",
        ])  # fmt: skip

    def on_maybe(self) -> str:
        n = self.integer()
        if not self.scope.of("maybe"):
            return f"{self.target('maybe')}: Optional[int] = {self.rng.choice(['None', n])}"
        o = self.rng.choice(self.scope.of("maybe"))
        return self.rng.choice([
            f"{o} = None", f"{o} = {n}", f"{self.target('int', 0.3)} = {o} if {o} is not None else {n}", f"{o} = 1 if {o} is None else {o} + 1",
            f"{o} = {n} if {self.condition()} else None",
        ])  # fmt: skip

    def condition(self) -> str:
        if self.maybe(0.9):
            return super().condition()
        choices = [
            *(f"{h}.count > 1" for h in self.scope.of("holder")), *(f"{h}.last is None" for h in self.scope.of("holder")),
            *(f"{m} == {self.rng.choice(MODES)}" for m in self.scope.of("mode")), *(f"{o} is None" for o in self.scope.of("maybe")),
            *(f"isinstance({u}, int)" for u in self.scope.of("union")), *(f"len({h}.items) == 2" for h in self.scope.of("holder")),
            *(f"{o} is not None and {o} > 1" for o in self.scope.of("maybe")),
        ]  # fmt: skip
        return self.rng.choice(choices) if choices else super().condition()

    def branch(self) -> Opening:
        if self.maybe(0.8):
            return super().branch()
        choices = [
            *(Opening(f"if {o} is not None:", bound=(("int", o),)) for o in self.scope.of("maybe")),
            *(Opening(f"if isinstance({u}, torch.Tensor):", bound=(("tensor", u),)) for u in self.scope.of("union")),
            *(Opening(f"if isinstance({u}, int):", bound=(("int", u),)) for u in self.scope.of("union")),
        ]  # fmt: skip
        return self.rng.choice(choices) if choices else super().branch()
