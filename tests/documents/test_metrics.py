"""Alert rules and board: valid, and about metrics that there are."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from typing import Any

import pytest
import yaml

from node.metrics.table import METRICS
from tests.documents.blocks import ROOT

RULES = ROOT / "deploy" / "prometheus" / "alerts.yml"
CASES = RULES.with_name("alerts_test.yml")
BOARD = ROOT / "deploy" / "grafana" / "ctnode.json"
NAME = re.compile(r"\bctnode_\w+")
SELECTED = re.compile(r"(ctnode_\w+)\{([^}]*)\}")
LABEL = re.compile(r'(\w+)="')
SHOWN = re.compile(r"\{\{\s*(?:\$labels\.)?(\w+)\s*\}\}")
BY = re.compile(r"\bby \((\w+)\)")
LABELS = {each.name: set(each.labels) for each in METRICS}


def rules() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = yaml.safe_load(RULES.read_text())["groups"][0]["rules"]
    return found


def targets() -> list[dict[str, str]]:
    return [target for panel in json.loads(BOARD.read_text())["panels"] for target in panel["targets"]]


def labels_of(expression: str) -> set[str]:
    return set().union(*(LABELS[name] for name in NAME.findall(expression)))


@pytest.mark.parametrize("expression", [r["expr"] for r in rules()] + [t["expr"] for t in targets()])
def test_an_expression_is_about_metrics_and_labels_that_there_are(expression: str) -> None:
    names = NAME.findall(expression)
    assert names
    assert set(names) <= set(LABELS)
    for name, selection in SELECTED.findall(expression):
        assert set(LABEL.findall(selection)) <= LABELS[name]
    assert set(BY.findall(expression)) <= labels_of(expression)


def test_every_label_that_is_shown_is_one_of_the_expression() -> None:
    shown = [(r["expr"], " ".join(r["annotations"].values()).replace("$value", "")) for r in rules()]
    shown += [(t["expr"], t["legendFormat"]) for t in targets()]
    for expression, text in shown:
        assert set(SHOWN.findall(text)) <= labels_of(expression), text


def test_every_alert_has_a_severity_and_words() -> None:
    assert len({rule["alert"] for rule in rules()}) == len(rules()) > 10
    for rule in rules():
        assert rule["labels"]["severity"] in ("info", "warning", "critical")
        assert set(rule["annotations"]) == {"summary", "description"}


def test_sections_of_the_runbook_that_alerts_name_are_there() -> None:
    runbook = (ROOT / "deploy" / "RUNBOOK.md").read_text()
    named = re.findall(r'See "([^"]+)" in the runbook', RULES.read_text(), re.IGNORECASE)
    assert len(named) > 3
    assert [title for title in named if f"\n## {title}\n" not in runbook] == []


def test_the_board_shows_every_metric_but_the_version() -> None:
    shown = {name for target in targets() for name in NAME.findall(target["expr"])}
    assert set(LABELS) - shown == {"ctnode_info"}
    ids = [panel["id"] for panel in json.loads(BOARD.read_text())["panels"]]
    assert len(set(ids)) == len(ids)


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not installed")
def test_prometheus_takes_the_rules() -> None:
    asked = subprocess.run(
        ["promtool", "check", "rules", str(RULES)], capture_output=True, text=True, check=False
    )
    assert asked.returncode == 0, asked.stderr
    assert f"{len(rules())} rules found" in asked.stdout


def test_each_alert_has_a_test_in_which_it_fires_and_one_in_which_it_does_not() -> None:
    fires: dict[str, set[bool]] = {}
    for each in yaml.safe_load(CASES.read_text())["tests"]:
        for case in each["alert_rule_test"]:
            fires.setdefault(case["alertname"], set()).add(bool(case["exp_alerts"]))
    one_fires_always = {
        "CtnodeCertificateEnds"
    }  # one of its two certificates does; the other fires and clears
    assert set(fires) == {rule["alert"] for rule in rules()}
    assert {name for name, both in fires.items() if both != {True, False}} == one_fires_always


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not installed")
def test_each_alert_fires_with_its_words_and_clears() -> None:
    asked = subprocess.run(
        ["promtool", "test", "rules", str(CASES)], capture_output=True, text=True, check=False
    )
    assert asked.returncode == 0, asked.stdout + asked.stderr
