"""The process of a peer: `python -m peers.worker prepare|run ...`, in the environment that has its package.

`prepare` makes the model's format and tells its path. `run` loads the model and answers a line of JSON to each line on
stdin; the first answer says how long loading took. A failure is an answer too: {"error": ...}.
"""

import json
import os
import sys
import time
from pathlib import Path

from . import PEERS
from .measure import COLD, PROMPT, SPEEDS, Peer, Unsupported


def peak_memory() -> int:
    """Bytes of the largest resident set so far. That of `getrusage` would begin with the parent's."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    raise RuntimeError("/proc/self/status has no VmHWM")


def answer_cold(peer: Peer, load: float) -> dict:
    start = time.perf_counter()
    token = peer.first_token(PROMPT)
    names = [test.name for test in COLD]
    return dict(zip(names, (load, load + time.perf_counter() - start, peak_memory()))) | {"token": token}


def answer_speed(peer: Peer, name: str) -> dict:
    test = next(test for test in SPEEDS if test.name == name)
    count = int(name[2:].split(" ")[0])
    # A few steps wake the threads and bring the weights back that other systems drove out of the caches.
    peer.generate(4, 0)
    try:
        return {"value": count / getattr(peer, test.kind)(count, test.depth)}
    except Unsupported as reason:
        return {"unsupported": str(reason)}


def serve(say, kind: type[Peer], path: Path, variant: str, threads: int, context: int) -> None:
    kind.imports()
    start = time.perf_counter()
    peer = kind(path, variant, threads, context)
    load = time.perf_counter() - start
    say({"load": load})
    for line in sys.stdin:
        request = json.loads(line)
        say(answer_cold(peer, load) if request == "cold" else answer_speed(peer, request))


def main(arguments: list[str]) -> None:
    # The library's own messages must not come between the answers.
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)

    def say(answer: dict) -> None:
        print(json.dumps(answer), file=answers)

    action, name, *rest = arguments
    try:
        if action == "prepare":
            gguf, form, cache = rest
            path = PEERS[name].prepare(Path(gguf).resolve(), form, Path(cache).resolve())
            say({"path": str(path)})
        else:
            path, variant, threads, context = rest
            serve(say, PEERS[name], Path(path), variant, int(threads), int(context))
    except Exception as error:
        say({"error": f"{type(error).__name__}: {error}"})
        raise


if __name__ == "__main__":
    main(sys.argv[1:])
