"""How far training is, by steps or by time, and the rate of learning that goes with it."""

import time


class Schedule:
    """Ends with the steps or with the seconds, whichever is sooner; the rate rises at first and then falls to nothing."""

    def __init__(self, steps: int, seconds: float, warm_up: int) -> None:
        self.steps, self.seconds, self.warm_up = steps, seconds, warm_up
        self.step = 0
        self.begin = time.monotonic()

    @property
    def elapsed(self) -> float:
        return time.monotonic() - self.begin

    @property
    def progress(self) -> float:
        return max(self.step / self.steps, self.elapsed / self.seconds)

    @property
    def done(self) -> bool:
        return self.progress >= 1

    @property
    def rate(self) -> float:
        """The share of the highest one."""
        return min(1.0, (self.step + 1) / self.warm_up) * max(0.0, 1 - self.progress)
