"""Running lathe from a script."""

import json
import subprocess
from pathlib import Path


def lathe(program: Path, *arguments: object) -> list | dict:
    """What a verb prints with --json; its messages are seen."""
    output = subprocess.run([program.resolve(), *map(str, arguments), "--json", "--quiet"], check=True, stdout=subprocess.PIPE)
    return json.loads(output.stdout)
