"""Calibration and figures of the series networks: each volume measured by the member that has not seen it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import save

from inference.contrast import decide
from inference.findings import Contrast, Region
from inference.models.series import AXIS_ORDER, NAME, VERSION, softmax
from inference.models.series_architecture import ARCHITECTURES, described
from inference.models.series_weights import Member, SeriesCalibration, packed
from inference.series_input import CONTRAST_SLICES, brightest_tissue_hu, spread
from inference.training.folds import FOLDS
from inference.training.series_bank import PHANTOM, Bag, Views
from inference.training.series_config import SeriesTraining
from inference.training.series_statistics import auc, interval, sigmoid, slope_and_offset
from inference.training.split import Group

STATEMENT: Final = "Cross-validated by patient. Not for diagnosis; research software."

AXIS_LEAST: Final = 0.8
"""A plane is never named below this probability."""

AXIS_WRONG: Final = 0.001
"""Share of all series whose plane may be named and be wrong: the threshold rises until it holds."""

TEMPERATURES: Final = np.geomspace(0.3, 4, 40)

REGIONS: Final = {
    Group.TRUNK: frozenset({Region.CHEST}),
    Group.MASKED: frozenset({Region.NECK}),
    Group.HEAD_NECK: frozenset({Region.HEAD}),
    Group.LIMB: frozenset({Region.LEGS}),
}
"""Whose band of doubt is used in the figures; in use it is that of the regions found."""


@dataclass(frozen=True, kw_only=True)
class SeenViews:
    """One series and what the held-out member said of it."""

    truth: Views
    axis: NDArray[np.float64]  # (4,) logits
    body: float  # logit


@dataclass(frozen=True, kw_only=True)
class SeenBag:
    """One volume and what the held-out member said of it."""

    truth: Bag
    logit: float
    brightest_hu: float | None


def measure_and_write(
    members: list[Member],
    views: list[Views],
    bags: list[Bag],
    out: Path,
    config: SeriesTraining,
    say: Callable[[str], None],
) -> Path:
    """Weights, calibration and figures into `out`; the weights' path."""
    tensors = packed(members)
    members = [_rounded(m) for m in members]
    seen_views = [_look(members[v.fold % FOLDS], v) for v in views]
    seen_bags = [_look_bag(members[b.fold], b) for b in bags]
    calibration = calibrate(seen_views, seen_bags)
    path = out / f"{NAME}-{VERSION}.safetensors"
    path.write_bytes(save(tensors, described(ARCHITECTURES[config.model])))
    identity = {"sha256": hashlib.sha256(path.read_bytes()).hexdigest(), "calibration": asdict(calibration)}
    path.with_suffix(".json").write_text(json.dumps(identity, indent=1) + "\n", encoding="utf-8")
    made = {"statement": STATEMENT, "config": asdict(config)} | figures(seen_views, seen_bags, calibration)
    path.with_suffix(".figures.json").write_text(json.dumps(made, indent=1) + "\n", encoding="utf-8")
    say(json.dumps(made, indent=1))
    return path


def _rounded(member: Member) -> Member:
    """As it will be loaded: from float16."""
    for network in member:
        network.load_state_dict(
            {
                k: v.half().to(v.dtype) if v.is_floating_point() and "running" not in k else v
                for k, v in network.state_dict().items()
            }
        )
    return member


@torch.inference_mode()
def _look(member: Member, truth: Views) -> SeenViews:
    axis, body = member[0](torch.from_numpy(truth.views.astype(np.float32))[None])
    return SeenViews(truth=truth, axis=axis[0].double().numpy(), body=float(body[0]))


@torch.inference_mode()
def _look_bag(member: Member, truth: Bag) -> SeenBag:
    slices = truth.slices[spread(len(truth.slices), min(CONTRAST_SLICES, len(truth.slices)))]
    hu = slices.astype(np.float32)
    logit = float(member[1](torch.from_numpy(hu)[None])[0])
    return SeenBag(truth=truth, logit=logit, brightest_hu=brightest_tissue_hu(hu))


def calibrate(views: Sequence[SeenViews], bags: Sequence[SeenBag]) -> SeriesCalibration:
    """Temperature, threshold of the plane, and slope and offset of contrast, on held-out answers."""
    planes = [v for v in views if v.truth.axis >= 0]
    logits, truth = np.stack([v.axis for v in planes]), np.asarray([v.truth.axis for v in planes])
    losses = [-np.log(softmax(logits / t)[np.arange(len(truth)), truth] + 1e-9).mean() for t in TEMPERATURES]
    temperature = float(TEMPERATURES[int(np.argmin(losses))])
    likely = softmax(logits / temperature)
    wrong = np.sort(likely.max(axis=1)[likely.argmax(axis=1) != truth])[::-1]
    allowed = int(AXIS_WRONG * len(truth))
    least = float(wrong[allowed]) + 1e-6 if len(wrong) > allowed else AXIS_LEAST
    known = [b for b in bags if b.truth.contrast is not None]
    scale, offset = _platt(known)
    return SeriesCalibration(
        axis_temperature=temperature,
        axis_least=round(max(AXIS_LEAST, least), 4),
        contrast_scale=scale,
        contrast_offset=offset,
    )


def _platt(bags: Sequence[SeenBag]) -> tuple[float, float]:
    return slope_and_offset(
        np.asarray([b.logit for b in bags]), np.asarray([float(bool(b.truth.contrast)) for b in bags])
    )


def figures(
    views: Sequence[SeenViews], bags: Sequence[SeenBag], calibration: SeriesCalibration
) -> dict[str, Any]:
    """Every figure with its n and its 95 % interval over patients."""
    return {
        "axis": _axis_figures(views, calibration),
        "body": _body_figures(views),
        "contrast": _contrast_figures(bags),
    }


def _axis_figures(views: Sequence[SeenViews], calibration: SeriesCalibration) -> dict[str, Any]:
    planes = [v for v in views if v.truth.axis >= 0]
    likely = softmax(np.stack([v.axis for v in planes]) / calibration.axis_temperature)
    named = likely.max(axis=1) >= calibration.axis_least
    right = likely.argmax(axis=1) == np.asarray([v.truth.axis for v in planes])
    kinds = {"native": [v.truth.native for v in planes], "reformats": [not v.truth.native for v in planes]}
    kinds |= {f"{a} reformats": [v.truth.axis == n and not v.truth.native for v in planes]
              for n, a in enumerate(AXIS_ORDER)}  # fmt: skip
    kinds |= {str(g): [v.truth.group == g for v in planes] for g in Group}
    made = {}
    for kind, chosen in kinds.items():
        mask = np.asarray(chosen)
        who = [v.truth.patient for v, m in zip(planes, mask, strict=True) if m]
        made[kind] = {
            "right": interval(right[mask], who),
            "named": interval(named[mask], who),
            "named and wrong": interval((named & ~right)[mask], who),
        }
    wrong = [f"{v.truth.identifier} {AXIS_ORDER[v.truth.axis]} as {AXIS_ORDER[int(p.argmax())]} {p.max():.3f}"
             for v, p, ok, n in zip(planes, likely, right, named, strict=True)
             if not ok and (n or v.truth.native)]  # fmt: skip
    return made | {"errors": wrong}


def _body_figures(views: Sequence[SeenViews]) -> dict[str, Any]:
    made: dict[str, Any] = {}
    for name, chosen in {
        "native": [v for v in views if v.truth.native],
        "reformats": [v for v in views if not v.truth.native and v.truth.group != PHANTOM],
        **{str(g): [v for v in views if v.truth.group == g] for g in Group},
    }.items():
        believed = np.asarray([v.body > 0 for v in chosen])
        made[f"believed: {name}"] = interval(believed, [v.truth.patient for v in chosen])
    phantoms = [v for v in views if v.truth.group == PHANTOM]
    for family in sorted({v.truth.identifier for v in phantoms}):
        own = [v for v in phantoms if v.truth.identifier == family]
        made[f"refused: {family}"] = interval(
            np.asarray([v.body <= 0 for v in own]), [v.truth.patient for v in own]
        )
    made["not believed"] = [
        f"{v.truth.identifier} {sigmoid(v.body):.3f}" for v in views if v.truth.native and v.body <= 0
    ]
    return made


def _contrast_figures(bags: Sequence[SeenBag]) -> dict[str, Any]:
    known = [b for b in bags if b.truth.contrast is not None]
    fits = {f: _platt([b for b in known if b.truth.fold != f]) for f in range(FOLDS)}
    chance = [float(sigmoid(fits[b.truth.fold][0] * b.logit + fits[b.truth.fold][1])) for b in known]
    said = [
        decide(p, REGIONS[Group(b.truth.group)], body=1.0, brightest_hu=b.brightest_hu).value
        for p, b in zip(chance, known, strict=True)
    ]
    truth = np.asarray([bool(b.truth.contrast) for b in known])
    decided = np.asarray([s is not Contrast.UNDETERMINED for s in said])
    right = np.asarray([(s is Contrast.YES) == t for s, t in zip(said, truth, strict=True)])
    made: dict[str, Any] = {}
    for kind, mask in {
        "all": np.ones(len(known), bool),
        **{str(g): np.asarray([b.truth.group == g for b in known]) for g in Group},
    }.items():
        who = [b.truth.patient for b, m in zip(known, mask, strict=True) if m]
        made[kind] = {
            "volumes": int(mask.sum()),
            "enhanced": int(truth[mask].sum()),
            "auc": auc(np.asarray(chance)[mask], truth[mask], who),
            "right of decided": interval(
                right[mask & decided],
                [b.truth.patient for b, m in zip(known, mask & decided, strict=True) if m],
            ),
            "undetermined": interval(~decided[mask], who),
        }
    made["errors"] = [
        f"{b.truth.identifier} {b.truth.contrast} p {p:.3f} {s} brightest {b.brightest_hu}"
        for b, p, s, ok in zip(known, chance, said, right, strict=True)
        if not ok
    ]
    made["unclear"] = [f"{b.truth.identifier} logit {b.logit:.2f}" for b in bags if b.truth.contrast is None]
    return made
