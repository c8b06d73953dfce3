"""The table of a run, and what it says about the goals."""

from dataclasses import dataclass

from .systems import Row


@dataclass(frozen=True)
class Goal:
    """A size that a plan of the twin may have at most, and what it must then reach."""

    megabytes: float
    ratio: float
    # A share of the mean divergence that a type of llama.cpp has in the same run.
    share: float | None = None
    of: str | None = None
    words: str = ""

    def divergence(self, rows: list[Row]) -> float | None:
        """The mean divergence allowed; None where none is, or where the type was not measured."""
        peers = [row for row in rows if row.system == "llama.cpp" and row.name == self.of and row.kl_mean is not None]
        return peers[0].kl_mean * self.share if peers and self.share else None


GOALS = [
    Goal(124.9, 1.02, 1 / 4, "Q4_K_M", "a quarter"),
    Goal(107.6, 1.05, 1 / 9, "Q4_0", "a ninth"),
    Goal(81, 1.25),
]


def judge(goal: Goal, rows: list[Row]) -> dict:
    """Whether a plan reaches a goal, and the best one of those that are small enough."""
    words = f"at most {goal.megabytes:g} MB with perplexity at most {goal.ratio:g} x"
    allowed = goal.divergence(rows)
    if goal.of is not None:
        words += f" and mean KL at most {goal.words} of {goal.of}'s"
        if allowed is None:
            return {"goal": words, "reached": None, "remark": f"{goal.of} was not measured"}
        words += f" ({allowed:.5f})"
    small = [row for row in rows if row.system == "lathe" and not row.reference and row.failure is None
             and row.bytes <= goal.megabytes * 1e6]
    if not small:
        return {"goal": words, "reached": False, "remark": "no plan is that small"}

    def reaches(row: Row) -> bool:
        return row.ratio <= goal.ratio and (allowed is None or row.kl_mean <= allowed)

    best = min(small, key=lambda row: (not reaches(row), row.kl_mean))
    return {"goal": words, "reached": reaches(best), "plan": best.name,
            "remark": f"{best.name}: {best.bytes / 1e6:.1f} MB, {best.ratio:.3f} x, KL {best.kl_mean:.5f}"}


def markdown(rows: list[Row]) -> str:
    """Smallest first; a plan that failed last."""
    speed = any(row.decode_tokens_per_second for row in rows)
    heads = ["system", "model", "MB", "bits/weight", "perplexity", "ratio", "mean KL", "KL p99", "same top token",
             "compile s", "compile MB"] + ["decode tokens/s"] * speed
    lines = ["| " + " | ".join(heads) + " |", "| --- | --- |" + " ---: |" * (len(heads) - 2)]

    def shown(value: float | None, pattern: str, scale: float = 1) -> str:
        return "" if value is None else pattern.format(value * scale)

    for row in sorted(rows, key=lambda row: (row.failure is not None, row.bytes)):
        cells = [row.system, f"{row.name} (reference)" if row.reference else row.name]
        if row.failure is not None:
            cells += [f"failed: {row.failure}"] + [""] * (len(heads) - 3)
        else:
            cells += [
                f"{row.bytes / 1e6:.1f}", f"{row.bits_per_weight:.2f}", f"{row.perplexity:.3f}", f"{row.ratio:.4f}",
                shown(row.kl_mean, "{:.5f}"), shown(row.kl_p99, "{:.4f}"), shown(row.top1_agreement, "{:.2f} %", 100),
                shown(row.compile_seconds, "{:.2f}"), shown(row.compile_peak_bytes, "{:.0f}", 1e-6),
            ]
            if speed:
                cells.append(shown(row.decode_tokens_per_second, "{:.0f}"))
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def other_types(rows: list[Row]) -> list[str]:
    """What llama.cpp's files are made of: their names do not say it where rows are no multiple of 256."""
    result = []
    for row in rows:
        if row.parts and not row.reference:
            total = sum(part["parameters"] for part in row.parts.values())
            shares = {kind: part["parameters"] / total for kind, part in row.parts.items() if kind != "F32"}
            largest = sorted(shares.items(), key=lambda pair: -pair[1])
            listed = ", ".join(f"{kind} {share:.0%}" for kind, share in largest)
            result.append(f"{row.name}: {listed}")
    return result
