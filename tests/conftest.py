"""For every test: an example of a property may take its time, because other processes take theirs."""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("ctnode", deadline=None)
settings.load_profile("ctnode")
