"""The figures of a run, as one Markdown table or as JSON."""

import statistics
from dataclasses import dataclass, field
from pathlib import Path

from .measure import Test


@dataclass
class Record:
    """What a system gave: values of each test, one for each counted round."""

    label: str
    form: str
    variant: str
    values: dict[str, list[float]] = field(default_factory=dict)
    token: int | None = None
    failure: str | None = None
    unsupported: dict[str, str] = field(default_factory=dict)

    @property
    def system(self) -> str:
        return f"{self.label} {self.form}".strip()

    def add(self, values: dict[str, float]) -> None:
        for name, value in values.items():
            self.values.setdefault(name, []).append(value)

    def median(self, test: Test) -> float:
        return statistics.median(self.values[test.name])


def spread(values: list[float]) -> dict[str, float]:
    return {"median": statistics.median(values), "least": min(values), "most": max(values)}


def rows(test: Test, lathe: Record, peers: list[Record], fractions: dict[str, list[float]]) -> list[dict]:
    """A row for each system: the best variant of each peer and format, and lathe's ratio to it within each round."""
    row: dict = {"system": lathe.label, **spread(lathe.values[test.name])}
    if test.name in fractions:
        row["of_the_limit"] = statistics.median(fractions[test.name])
    result = [row]
    groups: dict[str, list[Record]] = {}
    for peer in peers:
        groups.setdefault(peer.system, []).append(peer)
    for system, variants in groups.items():
        able = [peer for peer in variants if peer.failure is None and test.name in peer.values]
        if not able:
            kind = "unsupported" if any(peer.failure is None for peer in variants) else "failed"
            result.append({"system": system, kind: True})
            continue
        best = (max if test.more_is_better else min)(able, key=lambda peer: peer.median(test))
        values = best.values[test.name]
        # As a factor of speed: above 1 lathe is the faster, or the smaller.
        ratios = [ours / theirs if test.more_is_better else theirs / ours
                  for ours, theirs in zip(lathe.values[test.name], values, strict=True)]
        result.append({"system": system, "variant": best.variant, **spread(values), "ratio": spread(ratios)})
    measured = [row for row in result if "ratio" in row]
    if measured:
        min(measured, key=lambda row: row["ratio"]["median"])["best_peer"] = True
    return result


def notes(lathe: Record, peers: list[Record]) -> list[str]:
    """What the figures do not say: failures, tests that an interface cannot run, answers that differ."""
    result = []
    for peer in peers:
        name = f"{peer.system} ({peer.variant})" if peer.variant else peer.system
        if peer.failure:
            result.append(f"{name} failed: {peer.failure}")
        result += [f"{name} has no {test}: {reason}" for test, reason in peer.unsupported.items()]
        if peer.token is not None and peer.token != lathe.token:
            result.append(f"{name}: its first token is {peer.token}, lathe's {lathe.token}")
    return result


def markdown(tests: list[tuple[Test, list[dict]]]) -> str:
    lines = ["| test | system | median | least to most | lathe is | of the limit |",
             "| --- | --- | ---: | ---: | ---: | ---: |"]
    for test, systems in tests:
        scale, digits = {"tokens/s": (1, 1), "ms": (1000, 1), "MB": (1e-6, 0)}[test.unit]

        def number(value: float) -> str:
            return f"{value * scale:.{digits}f}"

        for row in systems:
            system = f"{row['system']}, {row['variant']}" if row.get("variant") else row["system"]
            cells = [f"{test.name}, {test.unit}", system]
            if "median" in row:
                cells += [number(row["median"]), f"{number(row['least'])} to {number(row['most'])}"]
            else:
                cells += ["failed" if "failed" in row else "", ""]
            ratio = row.get("ratio")
            factor = f"{ratio['median']:.2f}x ({ratio['least']:.2f} to {ratio['most']:.2f})" if ratio else ""
            cells.append(f"**{factor}**" if row.get("best_peer") else factor)
            cells.append(f"{row['of_the_limit'] * 100:.0f} %" if "of_the_limit" in row else "")
            lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return "an unnamed processor"
