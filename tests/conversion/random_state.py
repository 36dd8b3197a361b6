"""The state of random modules: what their attributes hold, and what is done with those that may be None."""

import random

from tests.conversion.random_statements import Statements

__all__ = ["KINDS", "State", "random_state"]

KINDS = {
    "s": "tensor", "count": "int", "on": "bool", "items": "list", "table": "dict", "sizes": "ints", "held": "kept",
    "level": "kept_int", "lists": "nested", "couple": "bundle",
}  # fmt: skip
"""By an attribute's name: the kind of variable that it is like."""


def random_state(rng: random.Random, dtype: object) -> dict[str, str]:
    """The attributes of a module, with the texts of their initial values."""
    made = f"torch.ones([{rng.randint(1, 3)}, {rng.randint(1, 3)}], dtype={dtype})"
    values = {
        "items": rng.choice([f"[{made}]", f"[{made}, {made} * 2]"]),
        "table": f"{{'a': {made}, 'b': {made} + 1}}",
        "sizes": rng.choice(["[1, 2]", "[3]"]),
        "held": rng.choice(["None", made]),
        "level": rng.choice(["None", "1"]),
        "lists": f"{{'a': [{made}], 'b': [{made}, {made}]}}",
        "couple": f"([{made}], 1)",
    }
    state = {"s": made, "count": str(rng.randint(0, 3))}
    if rng.random() < 0.3:
        state["on"] = "False"
    for name in rng.sample(list(values), rng.choice([0, 0, 1, 2])):
        state[name] = values[name]
    return state


class State(Statements):
    """Writes and reads what may be None; TorchScript asks for a variable to know that it is not."""

    def on_kept(self) -> str:
        a, held = self.own(self.tensor()), self.rng.choice(self.scope.of("kept"))
        return self.rng.choice(
            [f"{held} = None", f"{held} = {a}", f"{held} = {a}"]
            + [f"{self.target('option', 0)} = {held}"] * 3
        )

    def on_kept_int(self) -> str:
        n, held = self.integer(), self.rng.choice(self.scope.of("kept_int"))
        return self.rng.choice(
            [f"{held} = None", f"{held} = {n}"] + [f"{self.target('maybe', 0)} = {held}"] * 3
        )

    def condition(self) -> str:
        kept = [*self.scope.of("kept"), *self.scope.of("kept_int")]
        if kept and self.maybe(0.15):
            return f"{self.rng.choice(kept)} is None"
        return super().condition()
