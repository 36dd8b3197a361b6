"""The progress line: on terminals alone, and only for what takes long."""

import io
import time

import pytest

from exporter.commands import progress
from exporter.commands.progress import Progress


class Terminal(io.StringIO):
    def __init__(self, is_terminal: bool) -> None:
        super().__init__()
        self.is_terminal = is_terminal

    def isatty(self) -> bool:
        return self.is_terminal


@pytest.fixture
def quick(monkeypatch):
    monkeypatch.setattr(progress, "_DELAY", 0.01)
    monkeypatch.setattr(progress, "_PERIOD", 0.01)


@pytest.mark.parametrize(("is_terminal", "shown"), [(True, False), (False, True)])
def test_silence(quick, monkeypatch, is_terminal: bool, shown: bool) -> None:
    stream = Terminal(is_terminal)
    monkeypatch.setattr("sys.stderr", stream)
    with Progress("converting", shown=shown):
        time.sleep(0.05)
    assert stream.getvalue() == ""


def test_the_line_is_shown_and_cleared(quick, monkeypatch) -> None:
    stream = Terminal(True)
    monkeypatch.setattr("sys.stderr", stream)
    with Progress("converting") as line:
        time.sleep(0.05)
        line.text = "writing"
        time.sleep(0.05)
    text = stream.getvalue()
    assert "converting ... 0 s" in text
    assert "writing ... 0 s" in text
    assert text.endswith("\r\033[K")


def test_what_is_quick_shows_nothing(monkeypatch) -> None:
    stream = Terminal(True)
    monkeypatch.setattr("sys.stderr", stream)
    with Progress("converting"):
        pass
    assert stream.getvalue() == ""
