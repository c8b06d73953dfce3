"""Results that are kept from run to run in one JSON file, each good as long as what it came from is the same."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path


def stamp(path: Path) -> list:
    """What tells one state of a file from another, without reading it."""
    facts = path.stat()
    return [path.name, facts.st_size, facts.st_mtime_ns]


def digest(*paths: Path) -> str:
    """The same for small files, by what is in them."""
    return hashlib.sha256(b"".join(path.read_bytes() for path in paths)).hexdigest()


class Cache:
    def __init__(self, path: Path) -> None:
        self.path = path
        self.entries: dict[str, dict] = json.loads(path.read_text()) if path.exists() else {}

    def find(self, name: str, origin: dict) -> dict | None:
        """The result of a name, unless it came from something else."""
        entry = self.entries.get(name)
        # Through JSON and back: what was read from the file has no tuples.
        return entry["result"] if entry and entry["origin"] == json.loads(json.dumps(origin)) else None

    def keep(self, name: str, origin: dict, result: dict) -> None:
        self.entries[name] = {"origin": origin, "result": result}
        self.path.parent.mkdir(parents=True, exist_ok=True)
        temporary = self.path.with_suffix(".partial")
        temporary.write_text(json.dumps(self.entries, indent=1, sort_keys=True) + "\n")
        temporary.rename(self.path)

    def result(self, name: str, origin: dict, make: Callable[[], dict], *files: Path) -> dict:
        """The kept result, where its files are there too, or a new one."""
        found = self.find(name, origin)
        if found is None or not all(file.exists() for file in files):
            found = make()
            self.keep(name, origin, found)
        return found
