"""Who somebody is: the role by the groups, the account by the subject."""

from __future__ import annotations

import pytest

from storage import accounts
from storage.states import Role
from tests.console.browsing import Site, log_in
from tests.console.oidc.provider import Provider
from tests.console.oidc.steps import configure, happened, logged_in


@pytest.mark.parametrize(
    ("groups", "role"),
    [
        (["readers"], Role.VIEWER),
        (["readers", "mtra"], Role.OPERATOR),
        (["radiology-it", "readers", "else"], Role.ADMIN),
        ("mtra", Role.OPERATOR),
    ],
)
def test_the_highest_role_of_all_groups(
    hospital: Site, provider: Provider, groups: object, role: Role
) -> None:
    provider.person["groups"] = groups
    browser = hospital.browser()
    logged_in(browser)
    assert f"<b>oidc:anna</b>, {role}" in browser.get("/account").text
    assert browser.get("/accounts").status_code == (200 if role is Role.ADMIN else 403)


@pytest.mark.parametrize(
    ("claim", "person"),
    [
        ("realm_access.roles", {"realm_access": {"roles": ["mtra"]}}),
        (
            "http://schemas.hospital.example/claims/Group",
            {"http://schemas.hospital.example/claims/Group": "mtra"},
        ),
        ("roles", {"roles": ["mtra"]}),
    ],
)
def test_groups_stand_in_the_claim_that_is_configured(
    hospital: Site, provider: Provider, claim: str, person: dict[str, object]
) -> None:
    configure(hospital, provider, role_claim=claim)
    provider.person |= person
    browser = hospital.browser()
    logged_in(browser)
    assert "<b>oidc:anna</b>, operator" in browser.get("/account").text


def test_the_role_is_taken_anew_at_each_login(hospital: Site, provider: Provider) -> None:
    provider.person["groups"] = ["radiology-it"]
    first = hospital.browser()
    logged_in(first)
    assert first.get("/accounts").status_code == 200
    provider.person["groups"] = ["readers"]
    logged_in(hospital.browser())
    assert first.get("/accounts").status_code == 403
    assert happened(hospital) == [
        ("oidc:anna", "logged in as viewer by the identity provider from 127.0.0.1"),
        ("identity provider", "role of oidc:anna was admin, is viewer"),
        ("oidc:anna", "logged in as admin by the identity provider from 127.0.0.1"),
        ("identity provider", "added account oidc:anna as admin"),
    ]


@pytest.mark.parametrize("groups", [["others"], [], None, {"readers": 1}, [1, ["readers"]]])
def test_who_is_in_no_group_is_refused_and_recorded(
    hospital: Site, provider: Provider, groups: object
) -> None:
    provider.lies["groups"] = groups
    browser = hospital.browser()
    answer = logged_in(browser)
    assert answer.status_code == 403
    assert "none of your groups may use this node" in answer.text
    assert browser.get("/").status_code == 401
    assert happened(hospital) == [("oidc:anna", "login refused for want of a group from 127.0.0.1")]
    with hospital.store.ledger.reading() as connection:
        assert accounts.listed(connection) == []


def test_who_is_in_no_group_any_more_is_out_everywhere(hospital: Site, provider: Provider) -> None:
    browser = hospital.browser()
    logged_in(browser)
    assert browser.get("/").status_code == 200
    provider.person["groups"] = []
    assert logged_in(hospital.browser()).status_code == 403
    assert browser.get("/").status_code == 401


def test_two_hundred_groups_are_told_apart_from_none(
    hospital: Site, provider: Provider, capsys: pytest.CaptureFixture[str]
) -> None:
    provider.lies |= {"groups": None, "_claim_names": {"groups": "src1"}}
    assert logged_in(hospital.browser()).status_code == 403
    assert "for the person is in too many groups" in capsys.readouterr().out


def test_a_token_with_many_groups_is_read(hospital: Site, provider: Provider) -> None:
    provider.person["groups"] = [f"{n:08x}-0000-4000-8000-000000000000" for n in range(250)] + ["mtra"]
    assert logged_in(hospital.browser()).status_code == 200


def test_the_account_is_not_the_one_of_the_same_name(hospital: Site, provider: Provider) -> None:
    hospital.add("anna", Role.ADMIN)
    browser = hospital.browser()
    logged_in(browser)
    assert "<b>oidc:anna</b>, viewer" in browser.get("/account").text
    assert browser.get("/accounts").status_code == 403
    assert log_in(hospital.browser(), "anna").status_code == 303
    assert log_in(hospital.browser(), "oidc:anna").status_code == 401
    assert log_in(hospital.browser(), "oidc:anna", "").status_code == 401


def test_a_name_that_is_given_to_another_person_is_another_account(
    hospital: Site, provider: Provider
) -> None:
    first, second = hospital.browser(), hospital.browser()
    logged_in(first)
    provider.person |= {"sub": "4712", "groups": ["radiology-it"]}
    logged_in(second)
    assert "<b>oidc:anna</b>, viewer" in first.get("/account").text
    assert "<b>oidc:anna.2</b>, admin" in second.get("/account").text


def test_a_person_keeps_the_account_under_another_name(hospital: Site, provider: Provider) -> None:
    logged_in(hospital.browser())
    provider.person["preferred_username"] = "anna.neu"
    browser = hospital.browser()
    logged_in(browser)
    assert "<b>oidc:anna</b>, viewer" in browser.get("/account").text


@pytest.mark.parametrize(
    ("name", "account"),
    [
        ("Anna.Meier@Hospital.example", "oidc:anna.meier@hospital.example"),
        ("HOSPITAL\\Jörg Müller", "oidc:hospital-jorg-muller"),
        ("<script>alert(1)</script>", "oidc:script-alert-1-script"),
        ("a" * 200, "oidc:" + "a" * 48),
        ("../admin", "oidc:admin"),
    ],
)
def test_a_name_is_written_in_the_letters_of_accounts(
    hospital: Site, provider: Provider, name: str, account: str
) -> None:
    provider.person["preferred_username"] = name
    browser = hospital.browser()
    logged_in(browser)
    assert f"<b>{account}</b>" in browser.get("/account").text


@pytest.mark.parametrize("name", [None, "", "日本", 7, ["anna"]])
def test_who_has_no_name_is_nobody(hospital: Site, provider: Provider, name: object) -> None:
    provider.lies["preferred_username"] = name
    assert logged_in(hospital.browser()).status_code == 403
