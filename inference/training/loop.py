"""Training of the score network: five folds, each seeded and resumed from its last checkpoint."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from itertools import repeat
from multiprocessing import get_context
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from safetensors.torch import save

from inference.models.score import packed
from inference.models.score_architecture import ARCHITECTURES, described
from inference.models.score_network import ScoreNetwork
from inference.training.bank import Shelf, make_bank
from inference.training.config import ScoreTraining
from inference.training.folds import FOLDS
from inference.training.losses import losses, weighted
from inference.training.settings import keep
from inference.training.share import RUN, drawn, drawn_patients
from inference.training.watch import Watch, write_page
from inference.training.windows import Drawer

WEIGHTS: Final = "score.safetensors"
BANK: Final = "bank.pt"
PROGRESS_STEPS: Final = 100
GRADIENT_NORM: Final = 5.0

FREE: Final = frozenset({"workers", "save_every", "pictures"})
"""Settings that may change when a run goes on."""


def train_score(
    data: Path, out: Path, config: ScoreTraining | None = None, say: Callable[[str], None] = print
) -> Path:
    """Train the five networks of the score model; goes on from the last checkpoints where there are any.

    Args:
        data: the data folder.
        out: where weights, checkpoints, config and metrics go; made if absent.
        config: the settings; the product's by default.
        say: told of the progress, a line at a time; by other processes too, so it must be picklable.

    Returns:
        The weights file, float16; it says of what sizes the networks are.

    Raises:
        ConfigError: a run of other settings is in `out`; or T12 and L3 are asked for, and a fold has none.
    """
    config = config or ScoreTraining()
    out.mkdir(parents=True, exist_ok=True)
    keep(config, out, FREE)
    if not (out / BANK).is_file():
        _save_whole(make_bank(data, config.synthetic, config.seed, config.workers, say), out / BANK)
    (out / RUN).write_text(json.dumps({"patients": len(drawn_patients(_bank(out), config.patients))}))
    with ProcessPoolExecutor(config.workers, get_context("spawn")) as pool:
        done = pool.map(train_fold, repeat(out), range(FOLDS), repeat(config), repeat(say))
        members = [_loaded(path, config) for path in done]
    (out / WEIGHTS).write_bytes(save(packed(members), described(members[0].architecture)))
    if config.pictures:
        write_page(out, config.steps)
    return out / WEIGHTS


def train_fold(out: Path, fold: int, config: ScoreTraining, say: Callable[[str], None] = print) -> Path:
    """Train the network that leaves out a fold; returns the file of its averaged weights."""
    done = out / f"fold-{fold}.pt"
    if done.is_file():
        return done
    torch.set_num_threads(1)
    shelves = _bank(out)
    taught = drawn(shelves, config.patients)
    run = _Run([s for s in shelves if fold in s.folds and s.identifier in taught], out, fold, config)
    run.resume()
    watch = Watch(shelves, out, fold, config) if config.pictures else None
    if watch is not None and run.step:
        watch.look(run.average, run.step)  # stopped between the checkpoint and the look
    started, first = time.monotonic(), run.step
    while run.step < config.steps:
        run.advance()
        if run.step % PROGRESS_STEPS == 0:
            say(f"fold {fold} {run.recent()} {_left(started, run.step - first, config.steps - run.step)}")
        if run.step % config.save_every == 0 or run.step == config.steps:
            run.save()
            if watch is not None:
                watch.look(run.average, run.step)
    _save_whole(run.average.state_dict(), done)
    return done


def _save_whole(value: object, path: Path) -> None:
    """Write a file; what was there stands until the new one is whole."""
    partial = path.with_suffix(".partial")
    torch.save(value, partial)
    partial.replace(path)


def _left(started: float, done: int, wanted: int) -> str:
    pace = (time.monotonic() - started) / done
    return f"{pace:.2f} s/step {pace * wanted / 60:.0f} min left"


def _bank(out: Path) -> list[Shelf]:
    shelves: list[Shelf] = torch.load(out / BANK, weights_only=False, mmap=True)  # our own file, of this run
    return shelves


def _loaded(path: Path, config: ScoreTraining) -> ScoreNetwork:
    network = ScoreNetwork(ARCHITECTURES[config.model])
    network.load_state_dict(torch.load(path, weights_only=True))
    return network


class _Run:
    """The state of a run: network, its average, optimiser, step, losses so far."""

    def __init__(self, shelves: list[Shelf], out: Path, fold: int, config: ScoreTraining) -> None:
        torch.manual_seed(config.seed + fold)
        self.config, self.step, self.metrics = config, 0, [dict[str, float]()]
        self.checkpoint, self.metrics_path = out / f"checkpoint-{fold}.pt", out / f"metrics-{fold}.json"
        architecture = ARCHITECTURES[config.model]
        network = ScoreNetwork(architecture)
        self.network = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.average = ScoreNetwork(architecture).eval()
        self.average.load_state_dict(self.network.state_dict())
        self.optimiser = torch.optim.AdamW(
            self.network.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay
        )
        seed = (config.seed, fold)
        self.drawer = Drawer(shelves, config.windows, seed, config.rows, config.positives)

    def resume(self) -> None:
        """Go on where the last checkpoint was written."""
        if self.checkpoint.is_file():
            state: dict[str, Any] = torch.load(self.checkpoint, weights_only=True)
            self.network.load_state_dict(state["network"])
            self.average.load_state_dict(state["average"])
            self.optimiser.load_state_dict(state["optimiser"])
            self.step = state["step"]
            torch.set_rng_state(state["random"])
            metrics = json.loads(self.metrics_path.read_text(encoding="utf-8"))
            self.metrics = metrics[: self.step + 1]  # they may be of a checkpoint that was not finished

    def save(self) -> None:
        """Write a checkpoint; the old one stands until the new one is whole."""
        state = {
            "network": self.network.state_dict(),
            "average": self.average.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "step": self.step,
            "random": torch.get_rng_state(),
        }
        partial = self.metrics_path.with_suffix(".partial")
        partial.write_text(json.dumps(self.metrics), encoding="utf-8")
        partial.replace(self.metrics_path)
        _save_whole(state, self.checkpoint)

    def advance(self) -> None:
        """One optimiser step."""
        for group in self.optimiser.param_groups:
            group["lr"] = self.config.learning_rate * self._schedule() + 1e-6
        batch = self.drawer.batch(self.step)
        self.network.train()
        views = batch.views.contiguous(memory_format=torch.channels_last)
        with torch.autocast("cpu", torch.bfloat16):
            answer = self.network(views, batch.valid)
        score, scale, centre, name = (part.float() for part in answer)
        each = losses((score, scale, centre, name), batch, self.config.loss)
        self.optimiser.zero_grad()
        weighted(each).backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), GRADIENT_NORM)
        self.optimiser.step()
        self._follow()
        self.step += 1
        self.metrics.append({k: round(float(v.detach()), 4) for k, v in each.items()})

    def recent(self) -> str:
        """The mean losses of the last steps, in words."""
        last = [m for m in self.metrics[-PROGRESS_STEPS:] if m]
        means = " ".join(f"{k} {np.mean([m[k] for m in last]):.3f}" for k in last[0])
        return f"step {self.step}/{self.config.steps} {means}"

    def _schedule(self) -> float:
        rise = min(1.0, (self.step + 1) / self.config.warm_up_steps)
        return rise * 0.5 * (1 + math.cos(math.pi * self.step / self.config.steps))

    @torch.no_grad()
    def _follow(self) -> None:
        """Move the average a little towards the network; its batch statistics are averaged too."""
        decay = min(self.config.average_decay, self.step / (self.step + 10))
        theirs = self.network.state_dict()
        for name, value in self.average.state_dict().items():
            if value.is_floating_point():
                value.lerp_(theirs[name], 1 - decay)
            else:
                value.copy_(theirs[name])
