"""What is made from a model once and kept: each file or folder is whole or absent."""

import contextlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path


def place(cache: Path, gguf: Path, form: str) -> Path:
    """Where a form of a model lies: its name without that of its own type, and the form's."""
    return cache / f"{gguf.stem.rsplit('.', 1)[0]}.{form}"


@contextlib.contextmanager
def written(path: Path, source: Path) -> Iterator[Path | None]:
    """Gives a place to write to, which becomes `path` when the block ends well; None where `path` is there and is no
    older than the source that it is made from."""
    if path.exists() and path.stat().st_mtime >= source.stat().st_mtime:
        yield None
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f"{path.name}.{os.getpid()}")
    try:
        yield temporary
        remove(path)
        temporary.rename(path)
    finally:
        remove(temporary)


def remove(path: Path) -> None:
    """Removes a file or a folder, if it is there."""
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
