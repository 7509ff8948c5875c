"""`python -m tests.soak --minutes 30`: exit code 0 where everything stays flat and nothing is lost."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path

from tests.soak.run import Options, Outcome, Soak


def main() -> int:
    """Run, print a table, write JSON."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--senders", type=int, default=4)
    parser.add_argument("--receivers", type=int, default=2)
    parser.add_argument("--age-s", type=float, default=20, help="after which settled series go")
    parser.add_argument("--folder", type=Path, help="for the node; default: a temporary one")
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    folder = given.folder or Path(tempfile.mkdtemp(prefix="ctnode-soak-"))
    options = Options(
        minutes=given.minutes, senders=given.senders, receivers=given.receivers, age_s=given.age_s
    )
    outcome = Soak(folder, options, say=lambda line: print(line, flush=True)).run()  # noqa: T201
    print(table(outcome))  # noqa: T201
    if given.json is not None:
        given.json.write_text(json.dumps(outcome.json(), indent=1) + "\n")
    return 1 if outcome.findings else 0


def table(outcome: Outcome) -> str:
    """What a person reads, as Markdown."""
    found = outcome.json()
    head = (
        f"{outcome.acknowledged} instances in {outcome.seconds:.0f} s ({found['instances_per_s']:g}/s): "
        f"{outcome.aged_out} aged out, {outcome.present} present, {outcome.compared} compared"
    )
    rows = [
        f"| {line.name} | {line.mean:.1f} | {line.least:.1f} | {line.most:.1f} | {line.growth:+.2f} "
        f"| {line.bound:.1f} |"
        for line in outcome.lines
    ]
    findings = [f"{each.kind}: {each.subject}: {each.detail}" for each in outcome.findings]
    title = ["| last two thirds | mean | least | most | growth | bound |", "|---|---|---|---|---|---|"]
    log = [f"log: {line}: {count}" for line, count in sorted(outcome.log.items())]
    return "\n".join([head, "", *title, *rows, "", *log, *findings])


if __name__ == "__main__":
    sys.exit(main())
