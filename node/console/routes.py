"""The route table: every address of the console, who may call it, and what answers. There is no other."""

from __future__ import annotations

from typing import Final

from node.console.pages import (
    accounts,
    callers,
    configuration,
    first,
    happenings,
    health,
    login,
    metrics,
    oidc,
    overview,
    peers,
    pictures,
    quality,
    queue,
    series,
    series_list,
    static,
)
from node.console.route import Route
from storage.states import Role

VIEWER, OPERATOR, ADMIN = Role.VIEWER, Role.OPERATOR, Role.ADMIN

ROUTES: Final = (
    Route(method="GET", path="/healthz", least=None, handler=health.alive),
    Route(method="GET", path="/readyz", least=None, handler=health.ready),
    Route(method="GET", path="/metrics", least=VIEWER, handler=metrics.scrape, polled=True, monitored=True),
    Route(method="GET", path="/login", least=None, handler=login.form),
    Route(method="POST", path="/login", least=None, handler=login.submit),
    Route(method="GET", path="/login/oidc", least=None, handler=oidc.start),
    Route(
        method="GET",
        path="/login/oidc/callback",
        least=None,
        handler=oidc.answer,
        is_long_addressed=True,
    ),
    Route(method="GET", path="/first", least=None, handler=first.form),
    Route(method="POST", path="/first", least=None, handler=first.submit),
    Route(method="GET", path="/static/console.css", least=None, handler=static.style),
    Route(method="GET", path="/static/icon.svg", least=None, handler=static.icon),
    Route(method="GET", path="/static/{name}", least=VIEWER, handler=static.script),
    Route(method="POST", path="/logout", least=VIEWER, handler=login.leave),
    Route(method="GET", path="/", least=VIEWER, handler=overview.whole),
    Route(method="GET", path="/overview", least=VIEWER, handler=overview.part, polled=True),
    Route(method="GET", path="/series", least=VIEWER, handler=series_list.whole),
    Route(method="GET", path="/series/{uid}", least=VIEWER, handler=series.whole, shows_study=True),
    Route(method="GET", path="/series/{uid}/progress", least=VIEWER, handler=series.part, polled=True),
    Route(
        method="GET",
        path="/series/{uid}/slices/{stack}/{index}",
        least=VIEWER,
        handler=pictures.slice_png,
        shows_study=True,
    ),
    Route(
        method="GET",
        path="/series/{uid}/projections/{stack}/{plane}",
        least=VIEWER,
        handler=pictures.projection,
        shows_study=True,
    ),
    Route(method="POST", path="/series/{uid}/retry", least=OPERATOR, handler=series.retry),
    Route(method="POST", path="/series/{uid}/release", least=OPERATOR, handler=series.release),
    Route(method="GET", path="/queue", least=VIEWER, handler=queue.whole),
    Route(method="POST", path="/queue/retry", least=OPERATOR, handler=queue.retry),
    Route(method="GET", path="/peers", least=VIEWER, handler=peers.whole),
    Route(method="POST", path="/peers/{name}/echo", least=OPERATOR, handler=peers.echo),
    Route(method="POST", path="/peers/{name}/probe", least=OPERATOR, handler=peers.probe),
    Route(method="GET", path="/callers", least=VIEWER, handler=callers.whole),
    Route(method="POST", path="/callers/allow", least=ADMIN, handler=callers.allow),
    Route(method="GET", path="/configuration", least=ADMIN, handler=configuration.whole),
    Route(method="POST", path="/configuration", least=ADMIN, handler=configuration.change, is_long=True),
    Route(method="GET", path="/quality", least=VIEWER, handler=quality.whole),
    Route(method="GET", path="/events", least=VIEWER, handler=happenings.whole),
    Route(method="GET", path="/account", least=VIEWER, handler=accounts.own),
    Route(method="POST", path="/account/password", least=VIEWER, handler=accounts.change_own_password),
    Route(method="GET", path="/accounts", least=ADMIN, handler=accounts.whole),
    Route(method="POST", path="/accounts/add", least=ADMIN, handler=accounts.add),
    Route(method="POST", path="/accounts/{name}/role", least=ADMIN, handler=accounts.change_role),
    Route(method="POST", path="/accounts/{name}/password", least=ADMIN, handler=accounts.change_password),
    Route(method="POST", path="/accounts/{name}/remove", least=ADMIN, handler=accounts.remove),
)
