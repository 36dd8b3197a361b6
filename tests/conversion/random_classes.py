"""The classes that random programs use: a named tuple, an enum, and a script class."""

from enum import Enum
from typing import List, NamedTuple, Optional  # noqa: UP035  as TorchScript wants them

import torch

__all__ = ["Holder", "Mode", "Pair"]


class Pair(NamedTuple):
    """A named tuple for programs."""

    first: torch.Tensor
    count: int


class Mode(Enum):
    """An enum for programs."""

    SUM = 1
    MAX = 2
    NONE = 5


class Holder:
    """A script class whose methods change its attributes, and what these hold."""

    def __init__(self, value: torch.Tensor, count: int):
        self.value = value
        self.count = count
        self.items: List[torch.Tensor] = [value]  # noqa: UP006  as TorchScript wants it
        self.last = torch.jit.annotate(Optional[torch.Tensor], None)  # noqa: UP045

    def add(self, other: torch.Tensor) -> torch.Tensor:
        """Writes to its tensor, which may be another's, too."""
        self.value.add_(other)
        self.count += 1
        return self.value

    def put(self, other: torch.Tensor) -> int:
        """Grows."""
        self.items.append(other)
        self.last = other
        return len(self.items)

    def swap(self) -> torch.Tensor:
        """Exchanges its tensor with the first of its list."""
        first = self.items[0]
        self.items[0] = self.value
        self.value = first
        return first

    def latest(self) -> torch.Tensor:
        """What was put last, if something was."""
        last = self.last
        if last is not None:
            return last
        if self.count > 2:  # noqa: PLR2004
            return self.value + 1
        return self.value

    def take(self) -> torch.Tensor:
        """Gives away what was put last."""
        last = self.last
        self.last = None
        if last is None:
            self.count -= 1
            return self.items[0]
        return last
