"""Who may call what: for every route, from the table that the application is built from."""

from __future__ import annotations

import pytest

from node.console.route import ORDER, Route, may
from node.console.routes import ROUTES
from storage.states import Role
from tests.console.browsing import Site, filled_path, form_token, send

PUBLIC = {
    ("GET", "/healthz"),
    ("GET", "/readyz"),
    ("GET", "/login"),
    ("POST", "/login"),
    ("GET", "/login/oidc"),  # the way to the identity provider, and back: both begin no session by themselves
    ("GET", "/login/oidc/callback"),
    ("GET", "/first"),
    ("POST", "/first"),
    ("GET", "/static/console.css"),
    ("GET", "/static/icon.svg"),
}
GUARDED = [route for route in ROUTES if route.least is not None and not route.monitored]
CHANGES = [route for route in GUARDED if route.method == "POST"]


def name_of(route: Route) -> str:
    return f"{route.method} {route.path}"


def test_only_these_need_no_login() -> None:
    assert {(route.method, route.path) for route in ROUTES if route.least is None} == PUBLIC


def test_monitors_read_the_metrics_and_no_more() -> None:
    assert [(route.method, route.path) for route in ROUTES if route.monitored] == [("GET", "/metrics")]


def test_the_application_has_the_routes_of_the_table_and_no_other(shown: Site) -> None:
    inner = shown.app._app
    served = {(method, route.path) for route in inner.routes for method in route.methods - {"HEAD"}}
    assert served == {(route.method, route.path) for route in ROUTES}


def test_who_changes_something_is_more_than_a_viewer() -> None:
    own = {"/logout", "/account/password"}
    assert {route.path for route in CHANGES if route.least is Role.VIEWER} == own


@pytest.mark.parametrize("route", GUARDED, ids=name_of)
def test_nobody_gets_in_without_a_login(shown: Site, route: Route) -> None:
    answer = shown.browser().request(
        route.method, filled_path(route.path), data={} if route in CHANGES else None
    )
    assert (answer.status_code, answer.text) == (401, "log in first")


@pytest.mark.parametrize("route", GUARDED, ids=name_of)
def test_a_made_up_session_is_none(shown: Site, route: Route) -> None:
    browser = shown.browser()
    browser.cookies.set(shown.console.cookie, "a" * 43)
    assert browser.request(route.method, filled_path(route.path)).status_code == 401


@pytest.mark.parametrize("route", [r for r in GUARDED if r.least is not Role.VIEWER], ids=name_of)
def test_a_lesser_role_is_refused(shown: Site, route: Route) -> None:
    assert route.least is not None
    for role in ORDER[: ORDER.index(route.least)]:
        browser = shown.visitor(role)
        data = {"form_token": form_token(browser)} if route in CHANGES else None
        answer = browser.request(route.method, filled_path(route.path), data=data)
        assert answer.status_code == 403
        assert f"this needs the role {route.least}; yours is {role}" in answer.text


@pytest.mark.parametrize("route", [r for r in GUARDED if r.method == "GET"], ids=name_of)
def test_the_least_role_is_let_in(shown: Site, route: Route) -> None:
    assert route.least is not None
    answer = shown.visitor(route.least).get(filled_path(route.path))
    assert answer.status_code == 200, answer.text


@pytest.mark.parametrize("route", CHANGES, ids=name_of)
def test_a_form_of_another_page_changes_nothing(shown: Site, route: Route) -> None:
    browser = shown.visitor(Role.ADMIN)
    other = shown.visitor(Role.ADMIN, name="another")
    path = filled_path(route.path)
    for data in ({"any": "thing"}, {"form_token": ""}, {"form_token": form_token(other)}):
        answer = browser.post(path, data=data)
        assert answer.status_code == 403
        assert "not one of this session" in answer.text


@pytest.mark.parametrize("route", [r for r in ROUTES if r.method == "POST"], ids=name_of)
def test_what_another_site_sends_changes_nothing(shown: Site, route: Route) -> None:
    browser = shown.visitor(Role.ADMIN)
    data = {"form_token": form_token(browser)}
    for headers in (
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ):
        answer = browser.post(filled_path(route.path), data=data, headers=headers)
        assert (answer.status_code, answer.text) == (403, "sent by another site")


def test_a_get_never_changes(shown: Site) -> None:
    browser = shown.visitor(Role.ADMIN)
    pages = {route.path for route in ROUTES if route.method == "GET"}
    for route in CHANGES:
        answer = browser.get(filled_path(route.path))
        assert answer.status_code in ((200,) if route.path in pages else (404, 405)), route.path


def test_a_page_sends_to_the_login_and_back(here: Site) -> None:
    browser = here.browser()
    answer = browser.get("/series/2.25.1002", headers={"Accept": "text/html"})
    assert (answer.status_code, answer.headers["location"]) == (303, "/login?next=/series/2.25.1002")
    here.add("eve", Role.VIEWER)
    page = browser.get(answer.headers["location"])
    assert '<input type="hidden" name="next" value="/series/2.25.1002">' in page.text


def test_a_part_of_a_page_sends_the_whole_page_to_the_login(shown: Site) -> None:
    answer = shown.browser().get("/overview", headers={"HX-Request": "true"})
    assert (answer.status_code, answer.headers["hx-redirect"]) == (401, "/login?next=/")


def test_an_address_that_is_not_there_needs_a_login_too(shown: Site) -> None:
    assert shown.browser().get("/nothing").status_code == 401
    assert shown.visitor(Role.VIEWER).get("/nothing").status_code == 404


def test_a_role_takes_effect_at_once(here: Site) -> None:
    admin, browser = here.visitor(Role.ADMIN), here.visitor(Role.OPERATOR)
    assert send(browser, "/queue/retry", what="dead").status_code == 303
    assert send(admin, "/accounts/some-operator/role", role="viewer").status_code == 303
    assert send(browser, "/queue/retry", what="dead").status_code == 403


def test_each_role_may_what_those_before_it_may() -> None:
    assert [[may(role, least) for least in ORDER] for role in ORDER] == [
        [True, False, False],
        [True, True, False],
        [True, True, True],
    ]
