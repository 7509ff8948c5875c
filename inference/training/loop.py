"""Training of the slice-score network: seeded, resumable, one command."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor

from inference.curve import rank_correlation
from inference.models.network import ScoreNetwork
from inference.training.augment import augmented
from inference.training.config import ScoreTraining
from inference.training.data import Study, load_studies
from inference.training.losses import landmark_loss, order_loss, slope_loss, variance_loss
from inference.training.metrics import landmark_errors, lmse, raw_scores
from inference.training.sampling import Batch, Sampler
from inference.training.split import Group, Split

WEIGHTS: Final = "score.safetensors"
CHECKPOINT: Final = "checkpoint.pt"
METRICS: Final = "metrics.json"
CONFIG: Final = "config.json"


def train_score(
    data: Path, out: Path, config: ScoreTraining | None = None, say: Callable[[str], None] = print
) -> Path:
    """Train the slice-score network; goes on from the last checkpoint where there is one.

    Args:
        data: the data folder.
        out: where weights, checkpoint, config and metrics go; made if absent.
        config: the settings; the product's by default.
        say: told of the progress, a line at a time.

    Returns:
        The weights file, of the checkpoint with the least landmark error on validation patients.
    """
    config = config or ScoreTraining()
    torch.set_num_threads(config.threads)
    out.mkdir(parents=True, exist_ok=True)
    (out / CONFIG).write_text(json.dumps(asdict(config), indent=1), encoding="utf-8")
    studies = load_studies(data, frozenset({Split.TRAIN, Split.VALIDATION}))
    say(f"{len(studies)} volumes, {sum(len(s.z_mm) for s in studies)} slices")
    run = _Run(studies, out, config)
    run.resume()
    started, first = time.monotonic(), run.step
    while run.step < config.steps:
        losses = run.advance()
        if run.step % 50 == 0:
            pace = (time.monotonic() - started) / (run.step - first)
            left = pace * (config.steps - run.step) / 60
            say(f"step {run.step}/{config.steps} {_line(losses)} {pace:.2f} s/step {left:.0f} min left")
        if run.step % config.validate_every == 0 or run.step == config.steps:
            say(f"step {run.step} validation {_line(run.validate())}")
    return out / WEIGHTS


class _Run:
    """The state of a run: network, its average, optimiser, step, metrics so far."""

    def __init__(self, studies: list[Study], out: Path, config: ScoreTraining) -> None:
        torch.manual_seed(config.seed)
        self.config, self.out, self.step = config, out, 0
        self.network = ScoreNetwork().to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.average = ScoreNetwork().eval()
        self.average.load_state_dict(self.network.state_dict())
        self.optimiser = torch.optim.AdamW(
            self.network.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay
        )
        train = [s for s in studies if s.split is Split.TRAIN]
        self.held_out = [s for s in studies if s.split is Split.VALIDATION]
        self.sampler = Sampler(train, config.volumes_per_step, config.slices_per_volume, config.seed)
        self.metrics: list[dict[str, Any]] = []

    def resume(self) -> None:
        path = self.out / CHECKPOINT
        if path.is_file():
            state = torch.load(path, weights_only=True)
            self.network.load_state_dict(state["network"])
            self.average.load_state_dict(state["average"])
            self.optimiser.load_state_dict(state["optimiser"])
            self.step = state["step"]
            self.metrics = json.loads((self.out / METRICS).read_text(encoding="utf-8"))

    def advance(self) -> dict[str, float]:
        """One optimiser step; the losses, each unweighted."""
        for group in self.optimiser.param_groups:
            group["lr"] = self.config.learning_rate * self._schedule()
        batch = self.sampler.batch(self.step)
        images = augmented(batch, self.config.seed + self.step)
        self.network.train()
        with torch.autocast("cpu", torch.bfloat16):
            features = self.network.features(images.contiguous(memory_format=torch.channels_last))
        score, log_variance = self.network.answer(features.float())
        losses = self._losses(score, log_variance, batch)
        self.optimiser.zero_grad()
        total = sum(self._weights()[name] * loss for name, loss in losses.items())
        assert isinstance(total, Tensor)
        total.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), 5.0)
        self.optimiser.step()
        self.step += 1
        self._follow()
        return {name: float(loss.detach()) for name, loss in losses.items()}

    def validate(self) -> dict[str, float]:
        """Measure the averaged network on the validation patients; keep it where it is the best so far."""
        errors, ranks = [], []
        for study in self.held_out:
            raw, _ = raw_scores(self.average, study.images)
            if study.group is not Group.LIMB:  # their anchors are conventions: they do not choose the weights
                errors += landmark_errors(study, raw)
            ranks.append(rank_correlation(study.z_mm, raw))
        found = [abs(e.error_mm) for e in errors if e.error_mm is not None]
        row = {
            "step": self.step,
            "lmse": lmse(errors),
            "median_mm": float(np.median(found)) if found else math.nan,
            "spearman": float(np.mean(ranks)) if ranks else math.nan,
        }
        best = min((m["lmse"] for m in self.metrics), default=math.inf)
        self.metrics.append(row)
        if not row["lmse"] >= best:
            save_file({k: v.contiguous() for k, v in self.average.state_dict().items()}, self.out / WEIGHTS)
        (self.out / METRICS).write_text(json.dumps(self.metrics, indent=1), encoding="utf-8")
        self._save()
        return row

    def _save(self) -> None:
        state = {
            "network": self.network.state_dict(),
            "average": self.average.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "step": self.step,
        }
        partial = self.out / (CHECKPOINT + ".partial")
        torch.save(state, partial)
        partial.replace(self.out / CHECKPOINT)

    def _schedule(self) -> float:
        c = self.config
        rise = min(1.0, (self.step + 1) / c.warm_up_steps)
        return rise * 0.5 * (1 + math.cos(math.pi * self.step / c.steps))

    def _weights(self) -> dict[str, float]:
        c = self.config
        return {
            "landmark": 1.0,
            "order": c.order_weight,
            "slope": c.slope_weight,
            "variance": c.variance_weight,
        }

    def _losses(self, score: Tensor, log_variance: Tensor, batch: Batch) -> dict[str, Tensor]:
        shape = (self.config.volumes_per_step, self.config.slices_per_volume)
        by_volume, z_mm = score.view(shape), batch.z_mm.view(shape)
        return {
            "landmark": landmark_loss(score, batch.target, batch.weight),
            "order": order_loss(by_volume, z_mm),
            "slope": slope_loss(by_volume, z_mm),
            "variance": variance_loss(score, log_variance, batch.target, batch.weight),
        }

    @torch.no_grad()
    def _follow(self) -> None:
        """Move the average a little towards the network; its batch statistics are averaged too."""
        decay = min(self.config.average_decay, self.step / (self.step + 10))
        ours, theirs = self.average.state_dict(), self.network.state_dict()
        for name, value in ours.items():
            if value.is_floating_point():
                value.lerp_(theirs[name], 1 - decay)
            else:
                value.copy_(theirs[name])


def _line(values: dict[str, float]) -> str:
    return " ".join(f"{k} {v:.4g}" for k, v in values.items())
