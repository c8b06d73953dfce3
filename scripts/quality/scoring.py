"""Perplexity and divergence over rows of logits, as Sources/Decoding/Perplexity.swift defines them. Needs: numpy."""

import math

import numpy

# Rows that are brought to float64 at a time: they stay in the cache.
BLOCK = 16


def log_probabilities(logits: numpy.ndarray) -> numpy.ndarray:
    """log softmax, row by row, in float64."""
    logits = logits.astype(numpy.float64)
    largest = logits.max(axis=1, keepdims=True)
    return logits - (largest + numpy.log(numpy.exp(logits - largest).sum(axis=1, keepdims=True)))


class Scores:
    """What a model's predictions were worth, and how far they were from a reference's."""

    def __init__(self) -> None:
        self.losses: list[float] = []
        self.divergences: list[float] = []
        self.agreements = 0

    def add(self, logits: numpy.ndarray, targets: list[int], expected: numpy.ndarray | None = None) -> None:
        """Scores rows of logits by the tokens that were to come, and beside a reference's `log_probabilities` of the
        same positions."""
        for start in range(0, len(targets), BLOCK):
            rows = slice(start, start + BLOCK)
            found, wanted = log_probabilities(logits[rows]), targets[rows]
            self.losses += (-found[numpy.arange(len(wanted)), wanted]).tolist()
            if expected is not None:
                divergences = (numpy.exp(expected[rows]) * (expected[rows] - found)).sum(axis=1)
                self.divergences += numpy.maximum(divergences, 0).tolist()
                self.agreements += int((found.argmax(1) == expected[rows].argmax(1)).sum())

    @property
    def perplexity(self) -> float:
        return math.exp(math.fsum(self.losses) / len(self.losses))

    @property
    def standard_error(self) -> float:
        return self.perplexity * float(numpy.std(self.losses, ddof=1)) / math.sqrt(len(self.losses))

    def summary(self) -> dict[str, float]:
        """The keys that `lathe eval --json` has."""
        result = {"perplexity": self.perplexity, "tokens": len(self.losses)}
        if self.divergences:
            count = len(self.divergences)
            result |= {
                "kl_mean": math.fsum(self.divergences) / count,
                "kl_p99": sorted(self.divergences)[min(count - 1, count * 99 // 100)],
                "top1_agreement": self.agreements / count,
            }
        return result
