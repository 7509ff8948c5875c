"""Training of the series networks: five folds, each network seeded; a fold that is done is not done again."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Generic, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from inference.models.series_architecture import ARCHITECTURES
from inference.models.series_network import ContrastNetwork, ViewNetwork
from inference.models.series_weights import Member
from inference.training.folds import FOLDS
from inference.training.series_bank import PHANTOM, Bag, Views, bank, phantom_views
from inference.training.series_config import SeriesTraining
from inference.training.series_data import read_studies
from inference.training.series_losses import BatchLoss, contrast_loss, view_loss
from inference.training.series_measure import measure_and_write
from inference.training.settings import keep
from inference.training.share import NO_PATIENTS, RUN, drawn_patients
from inference.training.split import Group
from storage.errors import ConfigError

FREE: Final = frozenset({"threads"})
"""Settings that may change when a run goes on."""

AVERAGE_DECAY: Final = 0.97
"""Of the moving average of the weights, which is what is kept."""

NATIVE_WEIGHT: Final = 2.0
PHANTOM_SHARE: Final = 0.3
"""Of the series drawn for the view network."""

CONTRAST_SHARE: Final = {
    (True, Group.TRUNK): 0.3,
    (True, Group.MASKED): 0.22,
    (False, Group.TRUNK): 0.18,
    (False, Group.HEAD_NECK): 0.05,
    (False, Group.MASKED): 0.13,
    (False, Group.LIMB): 0.12,
}
"""Of the bags drawn, by contrast and group."""

Item = TypeVar("Item")
Drawn = TypeVar("Drawn", Views, Bag)
Network = TypeVar("Network", bound=nn.Module)


@dataclass(frozen=True, kw_only=True)
class Course(Generic[Network, Item]):
    """What one network is trained with."""

    items: Sequence[Item]
    chances: NDArray[np.float64]  # of each item to be drawn; they add up to 1
    loss: BatchLoss[Network, Item]
    steps: int
    batch: int  # items a step
    seed: tuple[int, int]  # with the step, of every draw


def train_series(
    data: Path, out: Path, config: SeriesTraining | None = None, say: Callable[[str], None] = print
) -> Path:
    """Train the five members of the series model, and measure each on the patients that it has not seen.

    Args:
        data: the data folder.
        out: where weights, config and figures go; made if absent. Networks found there are kept.
        config: the settings; the product's by default.
        say: told of the progress, a line at a time.

    Returns:
        The weights file, float16; its calibration lies beside it as .json, its figures as .figures.json.

    Raises:
        ConfigError: a run of other settings is in `out`; or a fold would learn contrast from volumes that
            all have it, or all lack it.
    """
    config = config or SeriesTraining()
    torch.set_num_threads(config.threads)
    out.mkdir(parents=True, exist_ok=True)
    keep(config, out, FREE)
    views, bags = bank(read_studies(data), config.variants, config.seed, say)
    views += phantom_views(config.phantoms, config.seed)
    say(f"{len(views)} series, {len(bags)} volumes for contrast")
    _check_contrast(bags, data.name)
    taught_views, taught_bags = _taught(views, config.patients), _taught(bags, config.patients)
    (out / RUN).write_text(json.dumps({"patients": len(drawn_patients(views, config.patients))}))
    members = [_member(taught_views, taught_bags, fold, out, config, say) for fold in range(FOLDS)]
    return measure_and_write(members, views, bags, out, config, say)


def _check_contrast(bags: list[Bag], name: str) -> None:
    for fold in range(FOLDS):
        known = {b.contrast for b in bags if b.fold != fold}
        if not {True, False} <= known:
            raise ConfigError(
                f"{name}: iv_contrast_seen must be yes of some volumes and no of others, whichever fold"
                f" is held out; without fold {fold} it is not"
            )


def _taught(items: list[Drawn], share: float) -> list[Drawn]:
    chosen = drawn_patients(items, share)
    return [i for i in items if i.group in NO_PATIENTS or i.patient in chosen]


def _member(
    views: list[Views],
    bags: list[Bag],
    fold: int,
    out: Path,
    config: SeriesTraining,
    say: Callable[[str], None],
) -> Member:
    """The pair of networks that has seen no patient and no phantom family of this fold."""
    seen = [v for v in views if v.fold != fold]
    known = [b for b in bags if b.fold != fold and b.contrast is not None]
    torch.manual_seed(config.seed + fold)
    architecture = ARCHITECTURES[config.model]
    view, contrast = ViewNetwork(architecture), ContrastNetwork(architecture)
    view_course = Course(
        items=seen,
        chances=view_chances(seen),
        loss=view_loss(config.loss),
        steps=config.view_steps,
        batch=config.view_batch,
        seed=(config.seed, fold),
    )
    contrast_course = Course(
        items=known,
        chances=contrast_chances(known),
        loss=contrast_loss(config.bag_slices, config.loss),
        steps=config.contrast_steps,
        batch=config.contrast_batch,
        seed=(config.seed, fold),
    )
    _fit(view, view_course, out / f"view-{fold}.pt", config, say)
    _fit(contrast, contrast_course, out / f"contrast-{fold}.pt", config, say)
    return view, contrast


def view_chances(views: Sequence[Views]) -> NDArray[np.float64]:
    """How often each series is drawn; they add up to 1."""
    phantom = np.asarray([v.group == PHANTOM for v in views])
    weight = np.asarray([NATIVE_WEIGHT if v.native else 1.0 for v in views])
    # necks from one hospital are many: together they count as much as all others
    weight *= np.asarray([0.6 if v.group == Group.MASKED else 1.0 for v in views])
    share = np.where(phantom, PHANTOM_SHARE, 1 - PHANTOM_SHARE)
    total = np.where(phantom, weight[phantom].sum(), weight[~phantom].sum())
    chance = share * weight / total
    return np.asarray(chance / chance.sum())


def contrast_chances(bags: Sequence[Bag]) -> NDArray[np.float64]:
    """How often each volume is drawn, by CONTRAST_SHARE; they add up to 1."""
    kinds = [(bool(b.contrast), b.group) for b in bags]
    chance = np.asarray([CONTRAST_SHARE.get((c, Group(g)), 0.05) / kinds.count((c, g)) for c, g in kinds])
    return np.asarray(chance / chance.sum())


def _fit(
    network: Network,
    course: Course[Network, Item],
    path: Path,
    config: SeriesTraining,
    say: Callable[[str], None],
) -> None:
    """Train a network; its average is what it holds at the end. Read from `path` where that is there."""
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    if not path.is_file():
        _train(network, course, path.stem, config, say)
        partial = path.with_suffix(".partial")
        torch.save(network.state_dict(), partial)
        partial.replace(path)
    network.load_state_dict(torch.load(path, weights_only=True))
    network.eval()


def _train(
    network: Network,
    course: Course[Network, Item],
    name: str,
    config: SeriesTraining,
    say: Callable[[str], None],
) -> None:
    optimiser = torch.optim.AdamW(
        network.parameters(), config.learning_rate, weight_decay=config.weight_decay
    )
    average = {k: v.clone() for k, v in network.state_dict().items()}
    started = time.monotonic()
    for step in range(course.steps):
        for group in optimiser.param_groups:
            group["lr"] = config.learning_rate * _schedule(step, course.steps, config.warm_up_steps)
        rng = np.random.default_rng((*course.seed, step))
        drawn = [course.items[i] for i in rng.choice(len(course.items), course.batch, p=course.chances)]
        network.train()
        value = course.loss(network, drawn, rng)
        optimiser.zero_grad()
        value.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(network.parameters(), 5.0)
        optimiser.step()
        _follow(average, network, min(AVERAGE_DECAY, step / (step + 10)))
        if step % 50 == 49:
            left = (time.monotonic() - started) / (step + 1) * (course.steps - step - 1)
            say(f"{name} step {step + 1}/{course.steps} loss {float(value.detach()):.3f} {left:.0f} s left")
    network.load_state_dict(average)


def _schedule(step: int, steps: int, warm_up: int) -> float:
    return min(1.0, (step + 1) / warm_up) * 0.5 * (1 + math.cos(math.pi * step / steps))


@torch.no_grad()
def _follow(average: dict[str, Tensor], network: nn.Module, decay: float) -> None:
    for name, value in network.state_dict().items():
        if value.is_floating_point():
            average[name].lerp_(value, 1 - decay)
        else:
            average[name].copy_(value)
