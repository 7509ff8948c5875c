"""What is seen of a training while it runs: held-out losses, pictures after each epoch, and the page."""

from __future__ import annotations

import base64
import io
import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from xml.etree import ElementTree

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from inference.projection import CELLS, SAGITTAL_CELLS
from inference.spine import VERTEBRAE
from inference.training import loop, watch
from inference.training.config import Loss
from inference.training.folds import FOLDS
from inference.training.held_out import Reading, held_out, mean_losses, read
from inference.training.loop import train_fold, train_score
from inference.training.losses import WEIGHTS
from inference.training.preview import TOP, preview
from inference.training.run_page import Course, chart, run_page
from inference.training.split import Group
from inference.training.watch import MOST_PICTURED, Watch, pictured
from tests.inference import training_run
from tests.inference.test_training_windows import shelf
from tests.inference.training_folder import FOLD
from tests.inference.training_run import TINY, Here, begun

data, shelves, threads = training_run.data, training_run.shelves, training_run.threads
SVG = "{http://www.w3.org/2000/svg}"
T12, L3 = VERTEBRAE.index("T12"), VERTEBRAE.index("L3")
WATCHED = replace(TINY, pictures=True)
QUIET = {"say": lambda _: None}


@pytest.fixture(scope="module")
def run(data, shelves, tmp_path_factory):
    """The folder of a whole run of two epochs of a step each, with pictures."""
    before = torch.get_num_threads()
    out = begun(tmp_path_factory.mktemp("watch") / "out", shelves)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loop, "ProcessPoolExecutor", Here)
        train_score(data, out, WATCHED, **QUIET)
    torch.set_num_threads(before)
    return out


class Said(nn.Module):
    """A network that says the same of every row, and of T12 at one."""

    def __init__(self, score=50.0, scale=2.0, t12_row=3):
        super().__init__()
        self.said, self.t12_row = (score, scale), t12_row

    def forward(self, views, valid):
        rows = views.shape[2]
        score, scale = (torch.full((1, rows), value) for value in self.said)
        name = torch.full((1, len(VERTEBRAE), rows), -5.0)
        name[0, T12, self.t12_row] = 2.0
        return score, scale, torch.zeros(1, rows), name


def levelled(rows=40, **at):
    """A volume with levels at these rows; its bone is brighter the higher the row."""
    made = shelf(rows=rows)
    heat = np.zeros((26, rows), np.float32)
    for name, row in at.items():
        heat[1 + VERTEBRAE.index(name)] = np.exp(-0.5 * ((np.arange(rows) - row) / 1.5) ** 2)
    return replace(made, targets=replace(made.targets, heat=heat))


# ------------------------------------------------------------------ held out


def test_what_is_held_out_is_of_the_fold_s_own_patients(shelves):
    made = replace(shelves[0], identifier="made", group=Group.SYNTHETIC, folds=frozenset())
    for fold in range(FOLDS):
        found = {s.identifier for s in held_out([*shelves, made], fold)}
        assert found == {name for name, own in FOLD.items() if own == fold}


def test_a_volume_is_read_whole_and_judged_by_what_is_known_of_it():
    seen = read(Said(), levelled(rows=40, T12=5), Loss.BCE)
    assert len(seen.score) == len(seen.centre) == 40 and set(seen.score) == {50.0}
    assert seen.sd[0] == pytest.approx(2 * 2**0.5) and seen.centre[0] == 0.5
    assert seen.levels["T12"].argmax() == 3
    assert seen.levels["T12"][3] == pytest.approx(1 / (1 + np.exp(-2)), abs=1e-6)
    assert seen.levels["L3"].max() == pytest.approx(1 / (1 + np.exp(5)), abs=1e-6)
    # the score is a row's number, 0 to 39: away by 50 to 11 units, all beyond Huber's 3
    assert seen.losses["score"] == pytest.approx(sum(50 - k - 1.5 for k in range(40)) / 41, rel=1e-5)
    assert set(seen.losses) == set(WEIGHTS)
    focal = read(Said(), levelled(rows=40, T12=5), Loss.FOCAL)
    assert focal.losses["score"] == seen.losses["score"] and focal.losses["name"] != seen.losses["name"]


def test_what_no_volume_tells_of_is_left_out():
    blank = shelf(rows=40, known=False)
    blank = replace(blank, targets=replace(blank.targets, known=np.zeros((26, 40), np.float32)))
    seen = read(Said(), blank, Loss.BCE)
    assert set(seen.losses) == {"slope"}
    both = mean_losses([seen, read(Said(), levelled(T12=5), Loss.BCE)])
    alone = mean_losses([read(Said(), levelled(T12=5), Loss.BCE)])
    assert both["score"] == alone["score"] and both["slope"] == pytest.approx(alone["slope"])
    assert both["total"] == pytest.approx(sum(WEIGHTS[n] * both[n] for n in WEIGHTS))
    assert mean_losses([]) == {}


def test_the_first_that_are_pictured_have_levels():
    volumes = [replace(levelled(), identifier=str(n)) for n in range(5)]
    volumes.append(replace(levelled(L3=4), identifier="has"))
    assert [s.identifier for s in pictured(volumes)] == ["has", "0", "1", "2"]
    assert len(pictured(volumes)) == MOST_PICTURED


# ------------------------------------------------------------------ one picture


def places(path):
    """The points of a path."""
    return [tuple(map(float, p.split(","))) for p in re.findall(r"[\d.]+,[\d.]+", path.get("d"))]


def drawn(reading: Reading):
    root = ElementTree.fromstring(preview(reading, "scan-07, network 2, step 400"))
    return root, [t.text for t in root.iter(f"{SVG}text")]


def test_a_picture_says_what_is_true_and_what_is_told():
    root, words = drawn(read(Said(t12_row=3), levelled(rows=80, T12=20), Loss.BCE))
    assert words[0] == "scan-07, network 2, step 400"
    assert "T12: likeliest at 9 mm (0.88), truly at 60 mm: 51 mm too low." in words
    assert "L3: likeliest at 0 mm (0.01), not labelled." in words
    assert "T12" in words and "L3" not in words  # beside the curves: only what is likely
    title = root.find(f"{SVG}title").text
    assert title.startswith("scan-07, network 2, step 400. T12: likeliest at 9 mm")
    _, high = drawn(read(Said(t12_row=30), levelled(rows=80, T12=20, L3=0), Loss.BCE))
    assert "T12: likeliest at 90 mm (0.88), truly at 60 mm: 30 mm too high." in high
    assert "L3: likeliest at 0 mm (0.01), truly at 0 mm: 0 mm off." in high


def test_truth_is_dashed_where_it_is_and_the_curve_peaks_where_it_is_told():
    root, _ = drawn(read(Said(t12_row=3), levelled(rows=80, T12=20), Loss.BCE))
    (truth,) = [e for e in root.iter(f"{SVG}line") if e.get("stroke-dasharray") == "7 3"]
    # rows of 2.5 px, the lowest at the bottom: row 20 has its middle 20.5 rows above it
    assert float(truth.get("y1")) == float(truth.get("y2")) == pytest.approx(TOP + 200 - 20.5 * 2.5, abs=0.1)
    (curve,) = [
        e
        for e in root.iter(f"{SVG}path")
        if e.get("stroke-dasharray") == "7 3" and "a4341f" not in e.get("stroke")
    ]
    points = [tuple(map(float, p.split(","))) for p in re.findall(r"[\d.]+,[\d.]+", curve.get("d"))]
    assert len(points) == 80
    assert max(points)[1] == pytest.approx(TOP + 200 - 3.5 * 2.5, abs=0.1)


def test_the_projections_stand_upright_side_by_side():
    root, _ = drawn(read(Said(), levelled(rows=80, T12=20), Loss.BCE))
    images = [*root.iter(f"{SVG}image")]
    assert [i.get("preserveAspectRatio") for i in images] == ["none"] * 2
    for image, cells in zip(images, (CELLS, SAGITTAL_CELLS), strict=True):
        pixels = np.asarray(Image.open(io.BytesIO(base64.b64decode(image.get("href").split(",")[1]))))
        assert pixels.shape == (80, cells) and (np.diff(pixels[:, 0].astype(int)) <= 0).all()
        # a cell of 4 mm is 4/3 as wide as a row of 3 mm is high
        assert float(image.get("width")) == pytest.approx(cells * 2.5 * 4 / 3, abs=0.1)
        assert float(image.get("height")) == 200
        # bone of -1 is black, of 1.5 white: the highest row holds 0.79
        assert pixels[0, 0] == round((0.79 + 1) * 255 / 2.5)
    left, right = (float(i.get("x")) for i in images)
    assert left + float(images[0].get("width")) < right


@pytest.mark.parametrize(("rows", "height"), [(2, 140), (80, 200), (700, 800)])
def test_a_picture_is_neither_too_small_nor_too_tall(rows, height):
    root, _ = drawn(read(Said(t12_row=0), levelled(rows=rows), Loss.BCE))
    assert {float(i.get("height")) for i in root.iter(f"{SVG}image")} == {height}


# ------------------------------------------------------------------ the page


class Page(HTMLParser):
    """What is in a page: elements by name, text, and where it would load from."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.text, self.loads, self.policy = [], [], [], ""
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        self.tags.append(tag)
        self.loads += [
            v for k, v in given.items() if k in ("src", "href") and not v.startswith(("data:", "#"))
        ]
        self.policy += given.get("content", "") if "http-equiv" in given else ""

    def handle_data(self, text):
        self.text.append(text)


def course(fold=0, picture="<svg><title>volume</title></svg>", steps=4):
    each = tuple(dict.fromkeys(WEIGHTS, 1.0 + k) for k in range(steps))
    held = dict.fromkeys(WEIGHTS, 2.5)
    return Course(
        fold=fold,
        training=each,
        validation=({"step": 2, **held, "total": 3.25}, {"step": 4, **held, "total": 1.75}),
        pictures=(picture,),
    )


def test_the_page_holds_everything_and_loads_nothing():
    text = run_page([course(0), Course(fold=1, training=(), validation=(), pictures=())], 8)
    page = Page(text)
    assert page.loads == [] and "default-src 'none'" in page.policy
    words = " ".join(page.text)
    assert "network 0: 4 of 8 steps, network 1: 0 of 8 steps." in words
    assert "Network 1: total loss: no step yet" in words and "Not for diagnosis" in words
    assert page.tags.count("svg") == 2 * (1 + len(WEIGHTS)) + 1
    rows = [re.findall(r"<td[^>]*>([^<]*)</td>", row) for row in re.findall(r"<tr>(.*?)</tr>", text)]
    numbers = [row for row in rows if row]
    total = 1.5 * sum(WEIGHTS.values())
    assert numbers[0] == ["0", "2", "training", f"{total:.4f}", *["1.5000"] * 5]
    assert numbers[1] == ["0", "2", "held out", "3.2500", *["2.5000"] * 5]
    assert numbers[2][2:5] == ["training", f"{total / 1.5 * 3.5:.4f}", "3.5000"]
    assert [row[3] for row in numbers if row[2] == "held out"] == ["3.2500", "1.7500"]


def test_before_the_first_step_the_page_says_so():
    text = run_page([Course(fold=f, training=(), validation=(), pictures=()) for f in range(FOLDS)], 8)
    assert "None yet." in text and text.count("no step yet") == 2 * FOLDS * (1 + len(WEIGHTS))


def test_a_chart_has_both_curves_on_one_scale():
    root = ElementTree.fromstring(chart("c", [(1.0, 4.0), (2.0, 2.0)], [(1.0, 3.0), (2.0, 1.0)], 4))
    training, held = map(places, root.iter(f"{SVG}path"))
    # 420 px for 4 steps from 62; 200 px for 0 to 4 below 26
    assert training == [(167.0, 26.0), (272.0, 126.0)] and held == [(167.0, 76.0), (272.0, 176.0)]
    assert root.find(f"{SVG}title").text == "c: training 2, held out 1"
    dashes = [e.get("stroke-dasharray") for e in root.iter(f"{SVG}path")]
    assert dashes == [None, "6 3"]


def test_a_long_curve_is_drawn_by_the_means_of_its_parts():
    long = replace(
        course(), training=tuple({n: float(k) for n in WEIGHTS} for k in range(600)), validation=()
    )
    root = ElementTree.fromstring(re.search(r"<svg.*?</svg>", run_page([long], 600))[0])
    (path,) = root.iter(f"{SVG}path")
    assert len(places(path)) == 60
    # the last part is steps 591 to 600, whose mean is 594.5
    assert f"training {594.5 * sum(WEIGHTS.values()):.3g}" in "".join(root.itertext())


# ------------------------------------------------------------------ a run


def test_after_each_epoch_there_are_pictures_and_the_page(run):
    for fold in range(FOLDS):
        steps = {p.name: p for p in (run / "pictures" / f"fold-{fold}").iterdir()}
        assert set(steps) == {"step-000001", "step-000002"}
        for step in steps.values():
            found = {p.stem: p for p in step.iterdir()}
            assert set(found) == {name for name, own in FOLD.items() if own == fold}
            for name, path in found.items():
                title = ElementTree.parse(path).find(f"{SVG}title").text
                assert title.startswith(f"{name}, network {fold}, step {int(step.name[5:])}. T12: likeliest")
        held = json.loads((run / f"validation-{fold}.json").read_text())
        assert [row["step"] for row in held] == [1, 2]
        assert all(np.isfinite([*row.values()]).all() for row in held)
        assert set(held[0]) >= {"step", "total", "slope"}
    page = Page((run / "training.html").read_text())
    assert page.tags.count("svg") == FOLDS * (1 + len(WEIGHTS)) + len(FOLD)
    words = " ".join(page.text)
    assert all(f"network {fold}: 2 of 2 steps" in words for fold in range(FOLDS))
    assert words.count("step 2. T12: likeliest") == len(FOLD) and "step 1. T12" not in words
    assert not list(run.rglob("*.partial*"))


def test_the_page_is_there_while_the_others_have_not_begun(shelves, tmp_path):
    out = begun(tmp_path, shelves)
    train_fold(out, 3, WATCHED)
    words = " ".join(Page((out / "training.html").read_text()).text)
    assert "network 3: 2 of 2 steps" in words and "network 0: 0 of 2 steps" in words
    assert words.count("step 2. T12: likeliest") == 1


def test_the_weights_are_the_same_with_pictures_and_without(run, shelves, tmp_path):
    out = begun(tmp_path, shelves)
    train_fold(out, 2, TINY)
    plain, watched = (torch.load(p / "fold-2.pt", weights_only=True) for p in (out, run))
    assert all(torch.equal(plain[name], watched[name]) for name in plain)
    assert not (out / "pictures").exists() and not (out / "training.html").exists()
    assert (out / "metrics-2.json").read_bytes() == (run / "metrics-2.json").read_bytes()


def test_a_run_that_was_stopped_before_its_pictures_draws_them_when_it_goes_on(
    run, shelves, tmp_path, monkeypatch
):
    out = begun(tmp_path, shelves)
    with monkeypatch.context() as patch:
        patch.setattr(Watch, "look", lambda self, network, step: 1 / (step - 1))
        with pytest.raises(ZeroDivisionError):
            train_fold(out, 3, WATCHED)
    assert (out / "checkpoint-3.pt").exists() and not (out / "pictures").exists()
    train_fold(out, 3, WATCHED)
    for name in ("validation-3.json", "pictures/fold-3/step-000001/wb-ccth-a01.svg"):
        assert (out / name).read_bytes() == (run / name).read_bytes()


def test_an_epoch_is_looked_at_once(run, shelves, monkeypatch):
    monkeypatch.setattr(watch, "read", lambda *_: pytest.fail("it was read before"))
    before = (run / "validation-1.json").read_bytes()
    Watch(shelves, run, 1, WATCHED).look(Said(), 2)
    assert (run / "validation-1.json").read_bytes() == before


def test_a_fold_without_held_out_volumes_has_its_curve_of_training(shelves, tmp_path):
    out = begun(tmp_path, [s for s in shelves if FOLD[s.identifier] != 1])
    train_fold(out, 1, WATCHED)
    assert json.loads((out / "validation-1.json").read_text()) == [{"step": 1}, {"step": 2}]
    words = " ".join(Page((out / "training.html").read_text()).text)
    assert re.search(r"Network 1: total loss: training [\d.]+", words)
