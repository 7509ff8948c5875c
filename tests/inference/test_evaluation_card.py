"""The models' card: complete, in agreement with itself and with the weights beside it."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from inference.evaluation.card import CARD, CARD_JSON, card_markdown, write_card
from inference.evaluation.card_text import STATEMENT
from inference.evaluation.case import Containment, Kind, LevelTruth
from inference.evaluation.failures import failures, shortened
from inference.evaluation.learning import Point, learning_curves
from inference.evaluation.measure import Figures, figures_of
from inference.evaluation.serial import from_record
from inference.evaluation.tables import number
from inference.findings import Axis, AxisFinding, Contrast, ContrastFinding, LevelFinding, Presence, Region
from storage.errors import ConfigError
from tests.inference.evaluation_factory import Z, found, inside, marks, measured, part, regions, scores

WEIGHTS = Path(__file__).resolve().parents[2] / "inference" / "weights"


def trunks(kind=Kind.REAL, error_mm=3.0):
    """Two patients whose T12 is told `error_mm` too high; their curves are right."""
    return [
        measured(
            {
                "slice_scores": scores(Z, [0.118 * z for z in Z]),
                "t12": found(200.0 + error_mm),
                "body_part": part("CHEST"),
            },
            name=f"{kind.value}-{patient}",
            patient=patient,
            kind=kind,
            landmarks=marks(L1=(170.0, 20.06), T12=(200.0, 23.6), T11=(225.0, 26.55)),
            t12=inside(200.0),
            regions=regions({Region.CHEST}),
        )
        for patient in ("p-1", "p-2")
    ]


def figures(measured_cases):
    return Figures(figures=figures_of(measured_cases), measured=tuple(measured_cases))


@pytest.fixture
def weights(tmp_path):
    (tmp_path / "score-0.safetensors").write_bytes(b"first")
    (tmp_path / "score-1.safetensors").write_bytes(b"second one")
    (tmp_path / "score.json").write_bytes(b"{}")
    return tmp_path


def test_card_and_json_agree_in_every_figure(weights):
    cases = [*trunks(), *trunks(Kind.SYNTHETIC), *trunks(Kind.CROP, 40.0)]
    write_card(figures(cases), weights)
    record = json.loads((weights / CARD_JSON).read_text())
    text = (weights / CARD).read_text()
    assert card_markdown(record) == text
    assert STATEMENT in text
    assert record["statement"] == STATEMENT
    for f in map(from_record, record["figures"]):
        if f.value is not None:
            row = next(line for line in text.splitlines() if f"| {f.name} |" in line)
            assert f.name in row
    t12 = next(line for line in text.splitlines() if "| T12 error median |" in line)
    assert "| <= 5 mm | 3 mm (3 to 3), n 2 of 2 patients | 3 mm (3 to 3), n 2 of 2 patients |" in t12


def test_every_weights_file_stands_on_the_card_with_its_digest(weights):
    write_card(figures(trunks()), weights)
    record = json.loads((weights / CARD_JSON).read_text())
    assert [(w["file"], w["bytes"]) for w in record["weights"]] == [
        ("score-0.safetensors", 5),
        ("score-1.safetensors", 10),
        ("score.json", 2),
    ]
    for path in (p for p in weights.iterdir() if p.name not in (CARD, CARD_JSON)):
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        assert f"| {path.name} | {path.stat().st_size} | {digest} |" in (weights / CARD).read_text()
    assert "| all | 17 |" in (weights / CARD).read_text()


def test_synthetic_and_derived_figures_never_stand_for_real_ones(weights):
    write_card(
        figures([*trunks(error_mm=3.0), *trunks(Kind.SYNTHETIC, 1.0), *trunks(Kind.CROP, 40.0)]), weights
    )
    by_kind = {
        f["kind"]: f["value"]
        for f in json.loads((weights / CARD_JSON).read_text())["figures"]
        if f["name"] == "T12 error median"
    }
    assert by_kind == {"real": 3.0, "synthetic": 1.0, "crop": 40.0}
    write_card(figures([*trunks(error_mm=3.0), *trunks(Kind.CROP, 40.0)]), weights)
    row = next(x for x in (weights / CARD).read_text().splitlines() if "| T12 error median |" in x)
    assert row.split(" | ")[4] == "-"


def test_missed_goals_and_goals_not_measured_are_said_plainly(weights):
    write_card(figures(trunks(error_mm=9.0)), weights)
    text = (weights / CARD).read_text()
    assert "- T12 error median (real): <= 5 mm wanted, 9 mm (9 to 9), n 2 of 2 patients **MISSED**" in text
    assert "- L3 error median (real): <= 5 mm wanted, **not measured**" in text
    assert "- contrast AUC (real): >= 0.97 wanted, **not measured**" in text
    assert "T12 within 10 mm (real)" not in text.split("## Measured")[0]


def test_classes_and_calibration_stand_on_the_card(weights):
    said = {
        "body_part": part("CHEST", ("Chest", 0.9)),
        "contrast": ContrastFinding(value=Contrast.YES, confidence=0.9, probability=0.9),
    }
    rows = [
        measured(said, name=n, kind=kind, series_class="Neck", contrast=Contrast.NO)
        for n, kind in (("a", Kind.REAL), ("b", Kind.REAL), ("c", Kind.CROP))
    ]
    write_card(figures(rows), weights)
    text = (weights / CARD).read_text()
    assert "| Neck | Chest | 2 |" in text
    assert "| 0.8 to 1.0 | 2 | 0.9 | 0 |" in text


def test_folds_are_counted_by_patient(weights):
    write_card(figures([*trunks(), *trunks(Kind.CROP)]), weights)
    folds = json.loads((weights / CARD_JSON).read_text())["folds"]
    assert folds == [{"fold": 1, "patients": 1, "volumes": 1}, {"fold": 2, "patients": 1, "volumes": 1}]


def test_known_failures_name_each_wrong_case_once_and_by_kind():
    far = LevelTruth(containment=Containment.OUTSIDE)
    denied = LevelFinding(presence=Presence.NOT_IN_FIELD, reason="below the field")
    coronal = AxisFinding(value=Axis.CORONAL, confidence=0.9, from_header=Axis.CORONAL)
    yes = ContrastFinding(value=Contrast.YES, confidence=0.9)
    rows = [
        *trunks(error_mm=30.0)[:1],
        measured({"t12": found(99.0), "l3": denied}, name="b", t12=far, l3=inside(50.0)),
        measured({"axis": coronal, "contrast": yes}, name="c", contrast=Contrast.NO),
        measured({"body_part": part("LEGS")}, name="d", kind=Kind.CROP, regions=regions({Region.HEAD})),
        measured({"body_part": part("LEGS")}, name="e", kind=Kind.REVERSED, regions=regions({Region.HEAD})),
        measured({}, name="f", contrast=Contrast.NO),
    ]
    assert failures(rows) == {
        "crop: regions wrong or undetermined": ["d: LEGS"],
        "real: L3 denied where it is": ["b: below the field"],
        "real: T12 at another vertebra": ["real-p-1: +30 mm"],
        "real: T12 found without it": ["b: at 99 mm"],
        "real: axis wrong": ["c: coronal, is axial"],
        "real: contrast wrong": ["c: yes, is no"],
    }


def test_long_lists_say_how_many_more_there_are():
    assert shortened(["a", "b"]) == "a; b"
    assert shortened([str(n) for n in range(14)]).endswith("10; 11; and 2 more")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"),
        (0.9876, "0.988"),
        (12.345, "12.35"),
        (123.45, "123.5"),
        (100.0, "100"),
        (-0.5, "-0.5"),
        (3.0, "3"),
    ],
)
def test_numbers_are_short(value, text):
    assert number(value) == text


def run(folder, patients, error_mm):
    from inference.evaluation.serial import write_figures

    folder.mkdir(parents=True)
    write_figures(
        folder / "figures.json", figures([*trunks(error_mm=error_mm), *trunks(Kind.CROP, 50.0)]).figures
    )
    (folder / "run.json").write_text(json.dumps({"patients": patients}))


def test_learning_curves_come_from_several_runs_in_order(tmp_path, weights):
    run(tmp_path / "runs/b", 40, 4.0)
    run(tmp_path / "runs/a", 120, 2.0)
    (tmp_path / "runs/empty").mkdir()
    points = learning_curves(tmp_path / "runs")
    assert [(p.patients, p.value, p.low, p.high) for p in points if p.figure == "T12 error median"] == [
        (40, 4.0, 4.0, 4.0),
        (120, 2.0, 2.0, 2.0),
    ]
    write_card(figures(trunks()), weights, points)
    assert "| T12 error median | 120 | 2 | 2 to 2 |" in (weights / CARD).read_text()


def test_half_a_run_is_refused(tmp_path):
    run(tmp_path / "a", 40, 4.0)
    (tmp_path / "a/run.json").write_text('{"patients": "many"}')
    with pytest.raises(ConfigError, match=r"run.json gives patients as 'many'"):
        learning_curves(tmp_path)
    (tmp_path / "a/run.json").unlink()
    with pytest.raises(ConfigError, match=r"a holds figures.json alone"):
        learning_curves(tmp_path)


@pytest.mark.skipif(
    not (WEIGHTS / CARD_JSON).is_file(), reason="no card was written yet: inference/weights/card.json"
)
def test_the_shipped_card_agrees_with_itself_and_with_the_shipped_weights():
    record = json.loads((WEIGHTS / CARD_JSON).read_text())
    assert card_markdown(record) == (WEIGHTS / CARD).read_text()
    shipped = {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in WEIGHTS.iterdir()}
    shipped = {name: digest for name, digest in shipped.items() if name not in (CARD, CARD_JSON)}
    assert {w["file"]: w["sha256"] for w in record["weights"]} == shipped


def test_a_learning_point_without_interval_is_shown_without_one(weights):
    point = Point(figure="regions right", patients=7, value=96.0, low=None, high=None)
    write_card(figures(trunks()), weights, [point])
    assert "| regions right | 7 | 96 | - |" in (weights / CARD).read_text()
