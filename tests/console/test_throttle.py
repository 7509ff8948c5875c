"""Guessing passwords: it is slowed down, and nobody is locked out by what others do."""

from __future__ import annotations

from dataclasses import replace

import pytest

from node.console.throttle import (
    ACCOUNT_MAX_S,
    ADDRESS_MAX_S,
    FORGOTTEN_S,
    FREE,
    REMEMBERED,
    Throttle,
    Visitor,
    place,
)
from storage.states import Role
from tests.console.browsing import PASSWORD, Site, log_in, send
from tests.console.test_login import happened


def test_guessing_is_slowed_down_and_the_owner_gets_in(here: Site) -> None:
    here.add("eve", Role.VIEWER)
    log_in(here.browser(address="10.0.0.1"), "eve")
    attacker = here.browser(address="10.6.6.6")
    answers = [log_in(attacker, "eve", f"guess number {n}").status_code for n in range(FREE + 2)]
    assert answers == [401] * FREE + [429] * 2
    assert log_in(attacker, "eve").status_code == 429  # not even with the right one
    assert log_in(here.browser(address="10.7.7.7"), "eve").status_code == 429  # an unknown place waits too
    assert log_in(here.browser(address="10.0.0.1"), "eve").status_code == 303  # a known one does not
    assert log_in(here.browser(address="10.7.7.7"), "eve").status_code == 303


def test_nobody_locks_out_a_browser_that_has_logged_in_before(here: Site) -> None:
    """On a terminal server all come from one address, and one of them means harm."""
    here.add("eve", Role.ADMIN)
    owner, attacker = here.browser(address="10.0.0.1"), here.browser(address="10.0.0.1")
    log_in(owner, "eve")
    send(owner, "/logout")
    for n in range(40):
        log_in(attacker, "eve", f"guess number {n}")
        here.clock.now += 900
    for n in range(FREE):
        assert log_in(attacker, "eve", f"guess {n}").status_code in (401, 429)
    assert log_in(here.browser(address="10.0.0.1"), "eve").status_code == 429
    assert log_in(owner, "eve").status_code == 303


def test_a_browser_that_is_known_has_to_wait_for_its_own_failures(here: Site) -> None:
    browser = here.visitor(Role.VIEWER)
    here.add("eve", Role.ADMIN)
    answers = [log_in(browser, "some-viewer", f"guess number {n}").status_code for n in range(FREE + 1)]
    assert answers == [401] * FREE + [429]
    assert log_in(browser, "eve", "a guess, no more").status_code == 401  # it is not known for that account
    kept = {here.console.mark: browser.cookies[here.console.mark]}
    forged = here.browser(address="10.6.6.6", cookies=kept)
    assert log_in(forged, "some-viewer").status_code == 429  # its failures go where it goes


def test_at_the_machine_itself_the_account_does_not_wait(here: Site) -> None:
    here.add("eve", Role.ADMIN)
    for n in range(FREE + 3):
        log_in(here.browser(address=f"10.6.6.{n}"), "eve", "a guess, no more")
    assert log_in(here.browser(address="10.7.7.7"), "eve").status_code == 429
    passed_on = here.browser(address="127.0.0.1", headers={"X-Forwarded-For": "127.0.0.1"})
    assert log_in(passed_on, "eve").status_code == 429  # a proxy's word is not the machine itself
    assert log_in(here.browser(address="127.0.0.1"), "eve").status_code == 303


def test_an_account_of_ones_own_buys_no_guesses() -> None:
    throttle = Throttle()
    admin, mallory = (Visitor(account=name, address="10.0.0.1") for name in ("admin", "mallory"))
    for _ in range(FREE):
        throttle.failed(admin, 1000.0)
        throttle.failed(mallory, 1000.0)
        throttle.succeeded(mallory)
    assert throttle.wait_s(replace(admin, is_known=True), 1000.0) > 0
    throttle.succeeded(admin)
    assert throttle.wait_s(admin, 1000.0) == 0


@pytest.mark.parametrize(
    ("address", "counted_as"),
    [
        ("10.0.0.1", "10.0.0.1"),
        ("::ffff:10.0.0.1", "10.0.0.1"),
        ("2001:db8:1:2:3:4:5:6", "20010db800010002::/64"),
        ("2001:db8:1:2:ffff::1", "20010db800010002::/64"),
        ("unknown", "unknown"),
    ],
)
def test_a_network_of_ipv6_is_one_place(address: str, counted_as: str) -> None:
    assert place(address) == counted_as


def test_the_present_password_is_not_found_out_at_an_unlocked_screen(here: Site) -> None:
    browser, new = here.visitor(Role.VIEWER), {"password": "x" * 12, "again": "x" * 12}
    answers = [
        send(browser, "/account/password", old=f"guess number {n}", **new).status_code for n in range(FREE)
    ]
    assert answers == [403] * FREE
    again = send(browser, "/account/password", old=PASSWORD, **new)
    assert (again.status_code, "Too many attempts. Wait 2.0 s." in again.text) == (429, True)
    assert happened(here)[0] == ("some-viewer", "present password refused")
    assert log_in(here.browser(), "some-viewer").status_code == 303  # nobody else waits for that


def test_who_waits_may_try_again(here: Site) -> None:
    here.add("eve", Role.VIEWER)
    browser = here.browser()
    for n in range(FREE):
        log_in(browser, "eve", f"guess number {n}")
    answer = log_in(browser, "eve")
    assert (answer.status_code, "Try again in 2.0 s" in answer.text) == (429, True)
    here.clock.now += 2.1
    assert log_in(browser, "eve").status_code == 303


def test_waits_double_up_to_their_ends() -> None:
    throttle, waits = Throttle(), []
    eve = Visitor(account="eve", address="10.0.0.1", is_known=True)
    for _ in range(FREE + 12):
        throttle.failed(eve, 1000.0)
        waits.append(throttle.wait_s(eve, 1000.0))
    assert waits[: FREE + 3] == [0, 0, 0, 0, 2, 4, 8, 16]
    assert waits[-1] == ADDRESS_MAX_S
    elsewhere = Visitor(account="eve", address="10.0.0.2")
    assert throttle.wait_s(elsewhere, 1000.0) == ACCOUNT_MAX_S
    assert throttle.wait_s(replace(elsewhere, is_known=True), 1000.0) == 0
    assert throttle.wait_s(eve, 1000.0 + FORGOTTEN_S + 1) == 0


def test_many_attackers_fill_no_memory() -> None:
    throttle = Throttle()
    for n in range(REMEMBERED):
        throttle.failed(Visitor(account=f"account {n}", address=f"address {n}"), float(n))
    assert len(throttle._failures) <= REMEMBERED
