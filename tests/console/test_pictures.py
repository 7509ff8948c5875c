"""Slices and projections at their addresses."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from node.console.drawing import projections
from node.console.drawing.windows import WINDOWS, grey, window_of
from node.intake import Intake
from storage import arrivals
from storage.errors import Unreadable
from storage.geometry.frames import placed_by
from storage.states import Role, SeriesState
from tests.console import filled
from tests.console.browsing import Site
from tests.console.filled import GAPPED, SERIES
from tests.node.receiving import take


def png_of(content: bytes) -> Any:
    with Image.open(io.BytesIO(content)) as image:
        return np.asarray(image)


def test_the_slice_that_is_asked_for_is_shown(shown: Site) -> None:
    browser = shown.visitor(Role.VIEWER)
    for index in (0, 23):
        answer = browser.get(f"/series/{SERIES}/slices/0/{index}?window=bone")
        assert answer.headers["content-type"] == "image/png"
        stored = np.frombuffer(filled.phantom(index + 1), dtype="<i2").reshape(64, 64).astype(np.float32)
        assert np.array_equal(png_of(answer.content), grey(stored, WINDOWS["bone"]))


def test_the_projections_of_the_phantom(shown: Site) -> None:
    browser = shown.visitor(Role.VIEWER)
    front, side = (
        png_of(browser.get(f"/series/{SERIES}/projections/0/{plane}.png").content)
        for plane in ("coronal", "sagittal")
    )
    assert front.shape == side.shape == (projections.ROWS, 32)
    assert int(front[5].argmax()) in (15, 16, 17)  # the spine in the middle
    assert int(side[5].argmax()) in (22, 23, 24)  # and at the back


def test_pixels_that_are_none_are_said(here: Site) -> None:
    instance = here.store.instance(f"{SERIES}.1")
    first = placed_by(instance.header)
    broken = replace(first, rows=10_000, columns=10_000)
    with pytest.raises(Unreadable, match="too many to show"):
        here.console.images.hu(instance.path, broken)
    with pytest.raises(Unreadable, match="cannot be decoded"):
        here.console.images.hu(instance.path, replace(first, frame=2)) if first.frames > 1 else _no_pixels(
            here
        )
    browser = here.visitor(Role.VIEWER)
    Path(here.store.root / instance.path).write_bytes(b"x")
    assert browser.get(f"/series/{SERIES}/slices/0/0").status_code in (422, 503)


def _no_pixels(here: Site) -> None:
    ds = filled.slice_of(77, series="2.25.1004", z_mm=0.0)
    del ds.PixelData
    here.store.association("a7")
    intake = Intake(here.store.instances, here.store.ledger, reserve_bytes=0)
    take(intake, ds, association_id="a7")
    kept = here.store.instance("2.25.1004.77")
    here.console.images.hu(kept.path, placed_by(kept.header))


def test_projections_are_made_again_when_the_stacks_may_be_others(here: Site) -> None:
    """A volume has its number once it is analysed: the stack of a place may be another one then."""
    browser, made = here.visitor(Role.VIEWER), []
    images = here.console.images
    profiles = images._profiles
    images._profiles = lambda *given: made.append(1) or profiles(*given)  # type: ignore[method-assign, func-returns-value]
    path = f"/series/{SERIES}/projections/0/coronal.png"
    for state in (SeriesState.QUEUED, SeriesState.ANALYSED):
        filled.hold(here.store, SERIES, state, "as it goes on")
        browser.get(path)
        browser.get(path)
    assert len(made) == 2 * filled.SLICES


def test_however_many_look_at_a_series_its_slices_are_read_once(
    here: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[str] = []
    slices_of = arrivals.slices_of
    monkeypatch.setattr(arrivals, "slices_of", lambda c, uid: read.append(uid) or slices_of(c, uid))  # type: ignore[func-returns-value]
    browsers = [here.visitor(Role.VIEWER, name=f"viewer-{n}") for n in range(3)]
    for browser in browsers:
        browser.get(f"/series/{GAPPED}/progress?state=receiving")
    assert read == [GAPPED]
    filled.fill_the_gap(here.store)
    for browser in browsers:
        assert "11 axial slices" in browser.get(f"/series/{GAPPED}/progress?state=receiving").text
    assert read == [GAPPED, GAPPED]


def test_the_full_window_shows_what_no_other_does(shown: Site) -> None:
    values = np.array([[-1024.0, -897.0], [-770.0, -1024.0]], dtype=np.float32)
    assert grey(values, window_of("soft", values)).max() == 0
    assert grey(values, window_of("full", values)).tolist() == [[0, 127], [255, 0]]
    assert grey(values * 0, window_of("full", values * 0)).shape == (2, 2)
    answer = shown.visitor(Role.VIEWER).get(f"/series/{SERIES}/slices/0/3?window=full")
    assert png_of(answer.content).max() == 255
