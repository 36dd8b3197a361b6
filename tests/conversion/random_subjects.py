"""All that random programs are made of."""

from tests.conversion.random_containers import Containers
from tests.conversion.random_keys import Keys
from tests.conversion.random_objects import Objects
from tests.conversion.random_state import State
from tests.conversion.random_texts import Texts
from tests.conversion.random_writes import Writes

__all__ = ["MADE", "SUBJECTS", "AnyStatements"]

MADE = (
    "nested", "table", "pairs", "bundle", "counts", "holder", "union", "mode", "maybe", "text",
    "tally", "memo", "words",
)  # fmt: skip
"""The subjects that are about variables of their own kind."""
SUBJECTS = (*MADE, "dims", "mask", "chain", "conversion", "held")


class AnyStatements(Containers, Keys, Objects, State, Texts, Writes):
    """Writes one statement: of a subject of the program, or of those that all programs have."""

    def line(self) -> str:
        if self.setting.subjects and self.maybe(0.5):
            return self.about(self.rng.choice(self.setting.subjects))
        kept = [kind for kind in ("kept", "kept_int") if self.scope.of(kind)]
        if kept and self.maybe(0.2):
            return self.about(self.rng.choice(kept))
        return super().line()

    def about(self, subject: str) -> str:
        """A statement on a subject."""
        return str(getattr(self, f"on_{subject}")())
