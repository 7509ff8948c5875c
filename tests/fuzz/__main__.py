"""`python -m tests.fuzz TARGET --seconds N`: by atheris where it is installed, else by random changes.

An input that breaks a target is written to the current folder as crash-SHA1; `--input FILE` runs it again.
"""

from __future__ import annotations

import argparse
import hashlib
import itertools
import logging
import sys
import tempfile
import time
import warnings
from importlib.util import find_spec
from pathlib import Path

import structlog

from tests.fuzz.mutate import mutants
from tests.fuzz.target import Target

WATCHED = ["node", "storage", "pydicom.filereader", "pydicom.values", "pynetdicom.pdu_items"]
"""What is watched for new paths. Not all of pydicom: its dictionaries take minutes to prepare."""


def main() -> None:
    options = _options()
    if find_spec("atheris") is not None and not options.plain and options.input is None:
        _by_atheris(options.target, options.seconds)
        return
    from tests.fuzz.targets import TARGETS

    _be_quiet()
    target = TARGETS[options.target]
    if options.input is not None:
        target.run(options.input.read_bytes())
        return
    count = _by_changes(target, options.seconds, options.seed)
    print(f"{options.target}: {count} inputs, none of them broke it")  # noqa: T201 - a program


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz")
    parser.add_argument("target", help="headers, commands, answers, requests, associations, records")
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--seed", type=int, default=int(time.time()), help="of the random changes")
    parser.add_argument("--plain", action="store_true", help="random changes in any case")
    parser.add_argument("--input", type=Path, help="run this one input")
    return parser.parse_args()


def _be_quiet() -> None:
    """Every broken input is worth a line in a log, and none of them is worth it here."""
    logging.disable()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    warnings.simplefilter("ignore")


def _by_changes(target: Target, seconds: float, number: int) -> int:
    deadline = time.monotonic() + seconds
    inputs = mutants(target.seeds(), number)
    for done in itertools.count():
        data = next(inputs)
        if time.monotonic() >= deadline:
            return done
        try:
            target.run(data)
        except BaseException:
            Path(f"crash-{hashlib.sha1(data).hexdigest()}").write_bytes(data)
            raise
    raise AssertionError


def _by_atheris(name: str, seconds: int) -> None:
    """Coverage-guided, from a corpus that is made afresh. libFuzzer ends the process."""
    import atheris

    with atheris.instrument_imports(include=WATCHED):
        from tests.fuzz.targets import TARGETS
    _be_quiet()
    target = TARGETS[name]
    corpus = Path(tempfile.mkdtemp(prefix="ctnode-fuzz-"))
    for number, seed in enumerate(target.seeds()):
        (corpus / f"{number:04}").write_bytes(seed)
    longest = max(len(seed) for seed in target.seeds()) + 1024
    options = [f"-max_total_time={seconds}", f"-max_len={longest}", "-timeout=20", "-rss_limit_mb=4096"]
    atheris.Setup([sys.argv[0], *options, str(corpus)], target.run)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
