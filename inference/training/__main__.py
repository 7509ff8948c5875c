"""Train, calibrate and measure the product's networks.

python -m inference.training score --data ../shared/data --out runs/score
python -m inference.training calibrate --data ../shared/data --weights runs/score/score.safetensors
python -m inference.training evaluate --data ../shared/data --split test
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict
from pathlib import Path

from inference.models.score import WEIGHTS
from inference.training.calibrate import calibrate
from inference.training.config import ScoreTraining
from inference.training.evaluate import evaluate
from inference.training.loop import train_score
from inference.training.split import Split


def main(arguments: list[str]) -> None:
    """Run one command of the training."""
    chosen = _parser().parse_args(arguments)
    if chosen.command == "score":
        train_score(chosen.data, chosen.out, ScoreTraining(steps=chosen.steps), say=_say)
    elif chosen.command == "calibrate":
        _say(json.dumps(asdict(calibrate(chosen.data, chosen.weights))))
    else:
        figures = evaluate(chosen.data, chosen.weights, Split(chosen.split), say=_say)
        if chosen.out:
            chosen.out.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="inference.training", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    commands = parser.add_subparsers(dest="command", required=True)
    score = commands.add_parser("score", help="train the slice-score network")
    score.add_argument("--out", type=Path, required=True, help="weights, checkpoint, config, metrics")
    score.add_argument("--steps", type=int, default=ScoreTraining().steps)
    hedge = commands.add_parser("calibrate", help="measure its error on validation patients")
    hedge.add_argument("--weights", type=Path, required=True)
    measure = commands.add_parser("evaluate", help="print the figures of the model's card")
    measure.add_argument("--weights", type=Path, default=WEIGHTS)
    measure.add_argument("--split", choices=[s.value for s in Split], default=Split.TEST.value)
    measure.add_argument("--out", type=Path, help="write the figures here too, as JSON")
    for command in (score, hedge, measure):
        command.add_argument("--data", type=Path, required=True, help="the data folder")
    return parser


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(sys.argv[1:])
