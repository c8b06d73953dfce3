"""A throw-away virtual environment with the packages of the peers."""

import os
import subprocess
import sys
from pathlib import Path

from .measure import Peer


class Environment:
    def __init__(self, folder: Path) -> None:
        # Absolute, but not resolved: the program in it is a link that tells Python where its packages are.
        self.python = folder.absolute() / "bin" / "python"
        if not self.python.exists():
            subprocess.run([sys.executable, "-m", "venv", folder], check=True, stdout=sys.stderr)

    def install(self, peer: type[Peer]) -> str | None:
        """Installs what a peer needs and is not there; the reason where that fails."""
        return self.add(peer.packages, peer.arguments, peer.variables)

    def add(self, packages: list[str], arguments: list[str] = [], variables: dict[str, str] = {}) -> str | None:
        """Installs packages that are not there; the reason where that fails."""
        command = [self.python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *arguments, *packages]
        result = subprocess.run(command, env=os.environ | variables, stdout=sys.stderr, stderr=subprocess.PIPE,
                                text=True)
        sys.stderr.write(result.stderr)
        lines = result.stderr.strip().splitlines()
        return None if result.returncode == 0 else f"not installed: {lines[-1] if lines else result.returncode}"

    def module(self, name: str, *arguments: object) -> list[str]:
        """The command that runs a module of this package in the environment."""
        return [str(self.python), "-m", f"{__package__}.{name}", *map(str, arguments)]

    @property
    def variables(self) -> dict[str, str]:
        """The process's variables, with the package where Python finds it."""
        return os.environ | {"PYTHONPATH": str(Path(__file__).resolve().parent.parent)}
