"""What a training step sees: parts of projections along z, stretched, blurred and disturbed."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Final, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from inference.levels import LEVELS
from inference.projection import CELLS, FRONTAL, SAGITTAL_CELLS
from inference.spine import VERTEBRAE
from inference.training.bank import Shelf
from inference.training.split import Group
from storage.errors import ConfigError

Rng = np.random.Generator

ROWS: Final = 96
"""Rows of a window, unless others are asked for: 288 mm."""

LEAST_ROWS: Final = 16

WHOLE_CHANCE: Final = 0.75
"""That a window is as high as it may be, where the volume allows; else it is lower."""

HEIGHT_SD: Final = 0.08
"""Of the natural log of the stretch along z: taller and shorter patients."""

REVERSED_CHANCE: Final = 0.06
"""That slices run the wrong way: the header may say so."""

SHARES: Final = {
    "trunk": 0.44,
    "synthetic": 0.17,
    "head-neck": 0.07,
    "labelled masked": 0.14,
    "labelled limb": 0.13,
    "rest": 0.05,
}
"""How often a volume of each kind is drawn; within a kind all alike."""

AT_CENTRE: Final = 0.9
"""Heat of a row at a vertebra's centre; of a vertebra beyond the volume's ends there is less."""

VIEWS: Final = ((0, CELLS), (CELLS, CELLS + SAGITTAL_CELLS))


@dataclass(frozen=True, kw_only=True)
class Batch:
    """The windows of one step, n of them; the same tensors without n are one window."""

    views: Tensor  # (n, FRONTAL, rows, width)
    valid: Tensor  # (n, rows): 1 where there is a row
    score: Tensor  # (n, rows)
    weight: Tensor  # (n, rows), 0 where the score is not known
    heat: Tensor  # (n, 26, rows)
    known: Tensor  # (n, 26, rows)
    direction: Tensor  # (n,): 1, or -1 where reversed
    stretch: Tensor  # (n,): along z

    @classmethod
    def of(cls, windows: list[Batch]) -> Self:
        """Windows together."""
        return cls(**{f.name: torch.stack([getattr(w, f.name) for w in windows]) for f in fields(cls)})


def kind(shelf: Shelf) -> str:
    """The row of SHARES that a volume belongs to."""
    if shelf.group not in (Group.MASKED, Group.LIMB):
        return shelf.group.value
    if not shelf.targets.weight.any():
        return "rest"
    return "labelled masked" if shelf.group is Group.MASKED else "labelled limb"


def levels_of(shelf: Shelf) -> dict[str, int]:
    """T12 and L3, as far as they are labelled, and the row of each."""
    heats = {name: shelf.targets.heat[1 + VERTEBRAE.index(name)] for name in LEVELS}
    return {name: int(h.argmax()) for name, h in heats.items() if h.max() > AT_CENTRE}


class _Choice:
    """Shelves to draw from: a kind by its share, then any of the kind."""

    def __init__(self, shelves: list[Shelf]) -> None:
        self._by_kind = {k: [s for s in shelves if kind(s) == k] for k in SHARES}
        self._kinds = [k for k, found in self._by_kind.items() if found]
        share = np.asarray([SHARES[k] for k in self._kinds])
        self._share = share / share.sum()

    def draw(self, rng: Rng) -> Shelf:
        found = self._by_kind[self._kinds[rng.choice(len(self._kinds), p=self._share)]]
        return found[rng.integers(len(found))]


class Drawer:
    """Draws batches: the same for the same seed and step, whatever was drawn before.

    Args:
        shelves: to draw from.
        count: windows of a step.
        seed: of every draw, with the step.
        rows: of a window.
        positives: chance that a window is drawn of a volume with T12 or L3, and cut about one of them.

    Raises:
        ConfigError: positives are asked for, and no volume has T12 or L3.
    """

    def __init__(
        self,
        shelves: list[Shelf],
        count: int,
        seed: tuple[int, int],
        rows: int = ROWS,
        positives: float = 0.0,
    ) -> None:
        levelled = [s for s in shelves if levels_of(s)] if positives else []
        if positives and not levelled:
            raise ConfigError(f"positives is {positives:g}, and no volume is labelled {' or '.join(LEVELS)}")
        self._any, self._levelled = _Choice(shelves), _Choice(levelled)
        self._count, self._seed, self._rows, self._positives = count, seed, rows, positives

    def batch(self, step: int) -> Batch:
        """The windows of a step."""
        rng = np.random.default_rng([*self._seed, step])
        return Batch.of([self._window(rng) for _ in range(self._count)])

    def _window(self, rng: Rng) -> Batch:
        about = bool(self._positives) and rng.random() < self._positives
        choice = self._levelled if about else self._any
        return window(choice.draw(rng), rng, rows=self._rows, about_level=about)


def window(shelf: Shelf, rng: Rng, *, rows: int = ROWS, about_level: bool = False) -> Batch:
    """A part of one copy of a volume, without n; about_level: T12 or L3, which it has, is in it."""
    copy = shelf.copies[rng.integers(len(shelf.copies))]
    stretch = float(np.exp(rng.normal(0, HEIGHT_SD)))
    about = int(rng.choice([*levels_of(shelf).values()])) if about_level else None
    place = _rows(copy.shape[1], stretch, rng, rows, about)
    seen = _disturbed(_blurred(_rows_at(copy, place), rng), rng)
    near, every = np.rint(place).astype(int), np.arange(copy.shape[1])
    targets = shelf.targets
    score, weight = np.interp(place, every, targets.score), targets.weight[near]
    heat, known = np.stack([np.interp(place, every, h) for h in targets.heat]), targets.known[:, near]
    direction = -1 if rng.random() < REVERSED_CHANCE else 1
    if direction < 0:
        seen, heat, known = seen.flip(1), heat[:, ::-1], known[:, ::-1]
        score, weight = score[::-1], weight[::-1]
    first = int(rng.integers(0, rows - len(place) + 1))
    views = torch.full((FRONTAL, rows, seen.shape[2]), -1.0)
    views[:, first : first + len(place)] = seen
    return Batch(
        views=views,
        valid=_padded(np.ones(len(place)), first, rows),
        score=_padded(score, first, rows),
        weight=_padded(weight, first, rows),
        heat=_padded(heat, first, rows),
        known=_padded(known, first, rows),
        direction=torch.tensor(float(direction)),
        stretch=torch.tensor(stretch),
    )


def _rows(count: int, stretch: float, rng: Rng, most: int, about: int | None) -> NDArray[np.float64]:
    """Places among `count` rows, evenly 1 / stretch apart, at most `most`; one that is named lies between."""
    wanted = most if rng.random() < WHOLE_CHANCE else int(rng.integers(LEAST_ROWS, most))
    span = (wanted - 1) / stretch
    if span > count - 1:
        span, wanted = count - 1, int((count - 1) * stretch) + 1
    low, high = 0.0, count - 1 - span
    if about is not None:
        low, high = max(low, about - span), min(high, about)
    return np.asarray(rng.uniform(low, high) + np.arange(min(wanted, most)) / stretch)


def _rows_at(copy: Tensor, place: NDArray[np.float64]) -> Tensor:
    low = np.clip(np.floor(place).astype(int), 0, max(copy.shape[1] - 2, 0))
    part = torch.from_numpy(place - low).float()[None, :, None]
    below, above = copy[:, low].float(), copy[:, np.minimum(low + 1, copy.shape[1] - 1)].float()
    return below + (above - below) * part


def _blurred(seen: Tensor, rng: Rng) -> Tensor:
    """Slices of 9 mm, sometimes."""
    if rng.random() >= 0.2:
        return seen
    columns = seen.permute(0, 2, 1).flatten(0, 1)[None]
    mean = functional.avg_pool1d(columns, 3, 1, 1, count_include_pad=False)
    return mean.view(seen.shape[0], seen.shape[2], seen.shape[1]).permute(0, 2, 1)


def _disturbed(seen: Tensor, rng: Rng) -> Tensor:
    parts = [_view_disturbed(seen[..., first:end], rng) for first, end in VIEWS]
    seen = torch.cat(parts, 2)
    gain = np.exp(rng.normal(0, 0.1, (len(seen), 1, 1))).astype(np.float32)
    offset = rng.normal(0, 0.06, (len(seen), 1, 1)).astype(np.float32)
    seen = seen * torch.from_numpy(gain) + torch.from_numpy(offset)
    if rng.random() < 0.5:
        noise = rng.normal(0, rng.uniform(0, 0.08), tuple(seen.shape)).astype(np.float32)
        seen = seen + torch.from_numpy(noise)
    return seen


def _view_disturbed(view: Tensor, rng: Rng) -> Tensor:
    """Scaled and shifted across, a part hidden, or the whole view missing."""
    width = view.shape[2]
    if rng.random() < 0.5:
        scale, shift = np.exp(rng.normal(0, 0.06)), rng.normal(0, 3)
        source = (np.arange(width) - width / 2) / scale + width / 2 + shift
        view = view[..., np.clip(source.round().astype(int), 0, width - 1)]
    if rng.random() < 0.15:
        view = view.clone()
        column, row = rng.integers(0, width - 20), rng.integers(0, view.shape[1])
        view[:, row : row + int(rng.integers(5, 40)), column : column + 20] = -1
    return torch.full_like(view, -1) if rng.random() < 0.06 else view


def _padded(values: NDArray[np.float64] | NDArray[np.float32], first: int, rows: int) -> Tensor:
    made = np.zeros((*values.shape[:-1], rows), np.float32)
    made[..., first : first + values.shape[-1]] = values
    return torch.from_numpy(made)
