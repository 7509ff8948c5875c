"""`python -m tests.crash --kills 500`: exit code 0 where every promise held."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path

from tests.crash.run import Harness, Options


def main() -> int:
    """Run, print, write JSON; the folder is kept where something was found."""
    parser = argparse.ArgumentParser(prog="python -m tests.crash", description=__doc__)
    parser.add_argument("--kills", type=int, default=500)
    parser.add_argument("--senders", type=int, default=4)
    parser.add_argument("--receivers", type=int, default=2)
    parser.add_argument("--rate", type=float, default=40, help="instances/s of each sender; 0: full speed")
    parser.add_argument("--mean-s", type=float, default=1.5, help="mean time between two blows")
    parser.add_argument("--age-s", type=float, default=0, help="series age out after it; 0: never")
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--folder", type=Path, help="for the node; default: a temporary one")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    folder = options.folder or Path(tempfile.mkdtemp(prefix="ctnode-crash-"))
    run = Options(
        kills=options.kills,
        senders=options.senders,
        rate=options.rate,
        mean_s=options.mean_s,
        seed=options.seed,
        receivers=options.receivers,
        age_s=options.age_s,
    )
    print(f"seed {options.seed}, in {folder}", flush=True)  # noqa: T201
    outcome = Harness(folder, run, say=lambda line: print(line, flush=True)).run()  # noqa: T201
    found = outcome.json() | {"seed": options.seed}
    text = json.dumps(found, indent=2, default=str)
    if options.json is not None:
        options.json.write_text(text + "\n")
    print(text)  # noqa: T201
    return 1 if outcome.findings else 0


if __name__ == "__main__":
    sys.exit(main())
