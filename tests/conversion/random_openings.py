"""How the compound statements of random programs start."""

from dataclasses import dataclass

__all__ = ["Opening"]


@dataclass(frozen=True)
class Opening:
    """How a compound statement starts.

    `before` stands in front of it, `first` starts its body. `setup` is what its first trip assigns,
    which may stand for the header where the body alone is tried; `bound` is what the body may read, by kind.
    """

    header: str
    setup: tuple[str, ...] = ()
    bound: tuple[tuple[str, str], ...] = ()
    before: tuple[str, ...] = ()
    first: tuple[str, ...] = ()
