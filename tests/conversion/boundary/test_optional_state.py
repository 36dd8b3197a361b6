"""State that is None at first, and what it holds besides tensors."""

from pathlib import Path

import pytest
from torch import Tensor, nn

import exporter
from tests.conversion.harness import script
from tests.conversion.streaming import batches, streamed


class LateCount(nn.Module):
    """A number that comes with the first call and goes with a later one."""

    count: int | None

    def __init__(self) -> None:
        super().__init__()
        self.count = None

    def forward(self, x: Tensor) -> Tensor:
        count = self.count
        if count is None:
            count = 5
        self.count = None if count > 6 else count + 1
        return x * count


class LateFlag(nn.Module):
    """A bool."""

    flag: bool | None

    def __init__(self) -> None:
        super().__init__()
        self.flag = None

    def forward(self, x: Tensor) -> Tensor:
        flag = self.flag
        if flag is None:
            flag = True
        self.flag = not flag
        return x if flag else -x


class LateMode(nn.Module):
    """A string, of which there are few."""

    mode: str | None

    def __init__(self) -> None:
        super().__init__()
        self.mode = None

    def forward(self, x: Tensor) -> Tensor:
        mode = self.mode
        if mode is None:
            self.mode = "warm"
            return x
        self.mode = "hot" if mode == "warm" else None
        return x * (2 if mode == "warm" else 3)


class LateRecord(nn.Module):
    """A tensor, a number that changes, one that does not, and a string."""

    record: tuple[Tensor, int, float, str] | None

    def __init__(self) -> None:
        super().__init__()
        self.record = None

    def forward(self, x: Tensor) -> Tensor:
        record = self.record
        if record is None:
            record = (x, 1, 0.5, "same")
        total, count, rate, word = record
        self.record = (total * rate + x, count + 2, rate, word)
        return total * count if word == "same" else total


@pytest.mark.parametrize(
    ("module", "state"),
    [
        (LateCount(), ["count.present", "count"]),
        (LateFlag(), ["flag.present", "flag"]),
        (LateMode(), ["mode.present", "mode"]),
        (LateRecord(), ["record.present", "record.0", "record.1", "record.2"]),
    ],
)
def test_what_is_none_at_first_comes_and_goes(
    module: nn.Module, state: list[str], tmp_path: Path
) -> None:
    """What would be a constant by itself travels, since the first call has none of it."""
    streamed(module, batches(2, 2, 2, 2, 2), tmp_path / "m.onnx", state=state)


@pytest.mark.parametrize("module", [LateCount(), LateFlag(), LateMode(), LateRecord()])
def test_verification_of_what_comes_and_goes(module: nn.Module) -> None:
    """What is None, or a string, is no tensor that could be compared."""
    result = exporter.export(script(module), *batches(2), verify=True)
    assert result.verification is not None
    assert len(result.verification.runs) == 3
