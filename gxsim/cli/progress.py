"""A progress bar on standard error for runs that take longer than two seconds."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

PATIENCE_S = 2.0


@contextmanager
def progress_of(name: str, horizon_s: float) -> Iterator[Callable[[float], None] | None]:
    """Yield what takes the simulated time; None where nobody watches a terminal."""
    if not sys.stderr.isatty():
        yield None
        return
    bar = _Bar(name, horizon_s)
    try:
        yield bar.advance
    finally:
        bar.close()


class _Bar:
    def __init__(self, name: str, horizon_s: float):
        self.name, self.horizon_s = name, horizon_s
        self.since_s = time.monotonic()
        self.shown: Any = None

    def advance(self, now: float) -> None:
        if self.shown is None:
            if time.monotonic() - self.since_s < PATIENCE_S:
                return
            self._show()
        self.shown.update(self.task, completed=now)

    def _show(self) -> None:
        from rich.console import Console
        from rich.progress import Progress

        self.shown = Progress(console=Console(stderr=True), transient=True)
        self.task = self.shown.add_task(self.name, total=self.horizon_s)
        self.shown.start()

    def close(self) -> None:
        if self.shown is not None:
            self.shown.stop()
