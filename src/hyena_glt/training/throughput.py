"""Tokens per second: how fast a training runs, evaluations left out."""

import math
import time
from collections import deque

_SPAN = 20


class Throughput:
    """Speed over the last twenty steps."""

    def __init__(self) -> None:
        self._recent: deque[tuple[int, float]] = deque(maxlen=_SPAN)
        self.go_on()

    def go_on(self) -> None:
        """Count time from now: what happened since the last step was no training."""
        self._last = time.perf_counter()

    def step(self, tokens: int) -> float:
        """Count one step.

        Args:
            tokens: In its batch, without padding; 0 if nobody counted them.

        Returns:
            Tokens per second; NaN where that is not known.
        """
        now = time.perf_counter()
        self._recent.append((tokens, now - self._last))
        self._last = now
        counted = sum(tokens for tokens, _ in self._recent)
        seconds = sum(seconds for _, seconds in self._recent)
        return counted / seconds if counted and seconds else math.nan
