"""A line that says what is going on, on a terminal, while something takes long."""

from __future__ import annotations

import sys
import threading
import time
from types import TracebackType

__all__ = ["Progress"]

_DELAY = 0.5  # seconds before anything is shown: most models take less
_PERIOD = 0.2


class Progress:
    """Shows `text` and the seconds it has taken so far on a terminal's standard error."""

    def __init__(self, text: str, *, shown: bool = True) -> None:
        self.text = text
        self._shown = shown and sys.stderr.isatty()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Progress:
        if self._shown:
            self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._shown:
            self._stop.set()
            self._thread.join()

    def _run(self) -> None:
        started = time.monotonic()
        if self._stop.wait(_DELAY):
            return
        while True:
            seconds = time.monotonic() - started
            sys.stderr.write(f"\r\033[K{self.text} ... {seconds:.0f} s")
            sys.stderr.flush()
            if self._stop.wait(_PERIOD):
                break
        sys.stderr.write("\r\033[K")
        sys.stderr.flush()
