#!/usr/bin/env python3
"""Lathe beside its peers on one machine, in one run: make bench-peers.

Each round measures every system once, one after the other, so that a change of the machine's clock or load meets all of
them; ratios are taken within a round, and the first round is not counted. What is measured:

  pp512         tokens/s of a prefill of 512 tokens from an empty cache; "@ d4096": behind 4096 tokens, evaluated before
  tg128         tokens/s of 128 tokens decoded one by one; "@ d4096": the same
  load          from the call that opens the model until it can run (file in the page cache)
  first token   that and the first token behind a short prompt; for lathe of the whole process, for a peer without the
                start of Python and its imports
  memory        peak resident set of the process of `first token`; a peer's has Python in it

"of the limit" is the share of the memory bandwidth (tg) or of the int8 rate (pp) that lathe measures beside the test.
Where a peer has variants, the better one of each test counts and is named. The ratio to the best peer is bold.

Peers are installed from PyPI into a virtual environment, versions pinned, at the first run; their formats of the model
are made once. This script needs the standard library alone. scripts/peers says how to add a peer.
"""

import argparse
import json
import sys
from pathlib import Path

from peers import PEERS
from peers.environment import Environment
from peers.measure import Test, select
from peers.report import Record, markdown, notes, processor, rows
from peers.systems import Failed, Lathe, PeerSystem, prepare


def tell(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lathe", type=Path, default=Path(".build/release/lathe"))
    parser.add_argument("--plan", type=Path, required=True)
    parser.add_argument("--gguf", type=Path, required=True, help="the model that the plan was compiled from")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--isa", help="an instruction set that lathe alone is held to: avx2")
    parser.add_argument("--peers", default=",".join(PEERS), help="names, with commas (all)")
    parser.add_argument("--formats", help="formats of the peers, with commas (all)")
    parser.add_argument("--no-depth", action="store_true", help="leave the tests at a depth out")
    parser.add_argument("--venv", type=Path, default=Path(".venv-peers"))
    parser.add_argument("--cache", type=Path, default=Path(".models/peers"), help="folder of the peers' formats")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    if options.rounds < 1:
        parser.error("at least one round is needed")
    options.peers = options.peers.split(",")
    unknown = [name for name in options.peers if name not in PEERS]
    if unknown:
        parser.error(f"no peer is called {unknown[0]}; there are {', '.join(PEERS)}")
    return options


def peer_systems(options: argparse.Namespace) -> list[tuple[PeerSystem | None, Record]]:
    """Every peer in every format and variant; one that cannot be had is a record of its failure alone."""
    environment = Environment(options.venv)
    result: list[tuple[PeerSystem | None, Record]] = []
    # All of them first: a peer may use another one's package to make a format.
    needed = dict.fromkeys(name for peer in options.peers for name in (*PEERS[peer].borrowed, peer))
    failures = {name: environment.install(PEERS[name]) for name in needed}
    for name in options.peers:
        peer = PEERS[name]
        for form in peer.formats:
            if options.formats and form not in options.formats.split(","):
                continue
            # The name of the file's own format is its last but one suffix.
            shown = options.gguf.stem.rsplit(".", 1)[-1] if form == "as it is" else form
            failure = failures[name]
            if failure is None:
                tell(f"preparing {name} {shown}")
                try:
                    path = prepare(environment, peer, form, options.gguf, options.cache)
                except Failed as reason:
                    failure = f"the format cannot be made: {reason}"
            if failure is not None:
                tell(f"{name} {shown}: {failure}")
                result.append((None, Record(name, shown, "", failure=failure)))
                continue
            for variant in peer.variants:
                system = PeerSystem(environment, peer, shown, path, variant, options.threads)
                result.append((system, Record(name, shown, variant)))
    return result


def run_round(systems: list[tuple[Lathe | PeerSystem | None, Record]], tests: list[Test], counted: bool) -> None:
    """Measures every system that has not failed."""
    for question in ("speed", "cold"):
        for system, record in systems:
            if system is None or record.failure is not None:
                continue
            try:
                values = system.measure(tests) if question == "speed" else system.cold()
            except Failed as reason:
                if isinstance(system, Lathe):
                    sys.exit(f"bench_peers: lathe failed: {reason}")
                record.failure = str(reason)
                tell(f"{record.system} {record.variant}: {reason}")
                continue
            record.token = values.pop("token", record.token)
            if isinstance(system, PeerSystem):
                record.unsupported = system.unsupported
            if counted:
                record.add(values)


def main() -> None:
    options = parse()
    tests = select(depths=not options.no_depth)
    speeds = [test for test in tests if test.kind]
    lathe = Lathe(options.lathe, options.plan, options.threads, options.isa)
    own = Record(f"lathe ({options.isa})" if options.isa else "lathe", "", "")
    peers = peer_systems(options)
    systems = [(lathe, own), *peers]
    try:
        for number in range(options.rounds + 1):
            tell(f"round {number} of {options.rounds}")
            run_round(systems, speeds, counted=number > 0)
            if number == 0:
                lathe.fractions.clear()
    finally:
        for system, _ in peers:
            if system is not None:
                system.close()

    records = [record for _, record in peers]
    table = [(test, rows(test, own, records, lathe.fractions)) for test in tests]
    packages = sorted({package for name in options.peers for package in PEERS[name].packages if "==" in package})
    if options.json:
        print(json.dumps({
            "processor": processor(), "threads": options.threads, "rounds": options.rounds, "isa": options.isa,
            "model": options.gguf.name, "packages": packages, "notes": notes(own, records),
            "tests": [{"test": test.name, "unit": test.unit, "systems": systems} for test, systems in table],
        }, indent=1))
        return
    print(f"{options.gguf.name} on {processor()}, {options.threads} threads, {options.rounds} rounds; "
          f"{', '.join(packages)}\n")
    print(markdown(table))
    remarks = notes(own, records)
    if remarks:
        print("\n" + "\n".join(f"- {remark}" for remark in remarks))


if __name__ == "__main__":
    main()
