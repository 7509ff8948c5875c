"""Somebody who looks at the console: one page after the other, with two pages left open in other tabs.

A page is asked for each half second, whether or not the one before took long. The tabs ask again by
themselves as their templates say (`hx-trigger`), and Prometheus scrapes; time goes on only while somebody
looks.
"""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import cycle
from typing import Final

import httpx

from node.bench import filled

SERIES_PAGE: Final = f"/series/{filled.series_uid(0)}"
PROGRESS: Final = f"{SERIES_PAGE}/progress"
PAGES: Final = (
    "/",
    "/series",
    SERIES_PAGE,
    "/queue",
    "/peers",
    "/callers",
    "/quality",
    "/events",
    "/accounts",
    "/account",
    "/configuration",
)
"""Every page that somebody who is logged in can go to."""
CLICK_S: Final = 0.5
POLLED_S: Final = {PROGRESS: 2.0, "/overview": 5.0, "/metrics": 15.0}
"""What is asked for by itself, and how often."""


class Agenda:
    """What is asked for when. Pure: times are seconds of looking."""

    def __init__(self) -> None:
        self._pages = cycle(PAGES)
        self._click_s = 0.0
        self._polls_s = dict.fromkeys(POLLED_S, 0.0)

    @property
    def next_s(self) -> float:
        """When something is asked for next."""
        return min(self._click_s, *self._polls_s.values())

    def take(self) -> str:
        """What that is; a click before what is polled at the same time."""
        page, at_s = min(self._polls_s.items(), key=lambda poll: poll[1])
        if self._click_s <= at_s:
            self._click_s += CLICK_S
            return next(self._pages)
        self._polls_s[page] += POLLED_S[page]
        return page


class Visitor:
    """Looks for a while, and again, in a thread. `took_s` has the time of each answer, by page."""

    def __init__(self, client: httpx.Client) -> None:
        """`client`: of somebody who has logged in."""
        self.took_s: dict[str, list[float]] = defaultdict(list)
        self._client, self._agenda = client, Agenda()
        self._looked_s = 0.0
        self._failed: httpx.HTTPError | None = None

    @contextmanager
    def looking(self, seconds: float) -> Iterator[None]:
        """Somebody looks for so long; all answers have come when it ends. Raises what asking raises."""
        thread = threading.Thread(target=self._look, args=(seconds,), name="visitor")
        thread.start()
        try:
            yield
        finally:
            thread.join()
        if self._failed is not None:
            raise self._failed

    def _look(self, seconds: float) -> None:
        began = time.monotonic() - self._looked_s
        self._looked_s += seconds
        try:
            while self._agenda.next_s < self._looked_s:
                time.sleep(max(0.0, began + self._agenda.next_s - time.monotonic()))
                self._ask(self._agenda.take())
        except httpx.HTTPError as error:
            self._failed = error

    def _ask(self, page: str) -> None:
        began = time.monotonic()
        self._client.get(page).raise_for_status()
        self.took_s[page].append(time.monotonic() - began)
