"""Who has no token, what other sites send, and files that mean harm."""

from __future__ import annotations

import hmac
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from inference.workbench.prediction import access
from inference.workbench.prediction.access import Asked, cookie_of, denial
from inference.workbench.prediction.outcome import Outcome
from inference.workbench.prediction.pages import result_page
from tests.workbench.predicting import TOKEN, Served, packed, serving


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with serving(tmp_path_factory.mktemp("attacked"), upload_limit_mb=2, unpacked_limit_mb=3) as running:
        yield running


PATHS = (
    "/",
    "/predictions",
    "/jobs",
    "/jobs/x",
    "/jobs/x/report.json",
    "/page.js",
    "/openapi.json",
    "/nowhere",
)


@pytest.mark.parametrize("path", PATHS)
def test_nothing_is_said_without_the_token(served: Served, path: str) -> None:
    for headers in (
        {},
        {"Authorization": "Bearer wrong"},
        {"Authorization": "Bearer"},
        {"Authorization": f"Basic {TOKEN}"},
        {"Cookie": f"ctnode-predict-{served.base.rpartition(':')[2]}={TOKEN}"},  # it is not in the cookie
        {"Cookie": "broken=\x01;;;"},
    ):
        for method in ("GET", "POST"):
            answer = httpx.request(method, served.base + path, headers=headers)
            assert answer.status_code == 401, (path, headers)
            assert TOKEN not in answer.text
    assert httpx.get(f"{served.base}{path}?token=wrong").status_code == 401


def test_the_token_in_an_address_opens_the_first_page_alone(served: Served) -> None:
    assert httpx.get(f"{served.base}/openapi.json?token={TOKEN}").status_code == 401
    first = httpx.get(served.address)
    assert (first.status_code, first.headers["location"]) == (303, "/")
    cookie = first.headers["set-cookie"]
    assert TOKEN not in cookie
    assert cookie_of(TOKEN) in cookie
    assert "HttpOnly" in cookie
    assert "SameSite=strict" in cookie
    with served.browser() as browser:
        assert browser.get("/").status_code == 200


def test_the_token_is_compared_in_constant_time(monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[tuple[bytes, bytes]] = []
    real = hmac.compare_digest

    def spied(a: bytes, b: bytes) -> bool:
        compared.append((a, b))
        return real(a, b)

    monkeypatch.setattr(access.hmac, "compare_digest", spied)
    own = Asked(
        method="GET", host="localhost", scheme="http", origin=None, fetch_site=None, bearer="é", cookie=None
    )
    assert denial(own, TOKEN, ()) is not None
    assert compared == [("é".encode(), TOKEN.encode())]


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("evil.example", 403),
        ("localhost.evil.example", 403),
        ("127.0.0.1.evil.example", 403),
        ("0x7f.1", 403),
        ("", 403),
        ("[::1", 403),
        ("user@evil.example", 403),
        ("localhost", 200),
        ("LOCALHOST:1", 200),
        ("[::1]:8090", 200),
        ("192.168.7.7", 200),
    ],
)
def test_a_name_that_was_rebound_is_refused(served: Served, host: str, status: int) -> None:
    assert served.ask("GET", "/", headers={"Host": host}).status_code == status


def test_a_name_that_was_given_is_answered(tmp_path: Path) -> None:
    with serving(tmp_path, names=("ct.hospital.example",)) as served:
        assert f"http://ct.hospital.example:{served.address.split(':')[2]}" in f"http:{served.address[5:]}"
        port = served.address.partition(".example:")[2].partition("/")[0]
        own = {"Authorization": f"Bearer {TOKEN}"}
        for host, status in (("CT.hospital.example", 200), ("hospital.example", 403)):
            answer = httpx.get(f"http://127.0.0.1:{port}/", headers=own | {"Host": host})
            assert answer.status_code == status


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},  # another port of this machine
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:1"},
    ],
)
def test_what_another_site_sends_is_refused_with_the_right_cookie_too(
    served: Served, headers: dict[str, str]
) -> None:
    with served.browser() as browser:
        assert browser.post("/jobs", headers=headers).status_code == 403
        assert browser.post("/predictions", headers=headers).status_code == 403
    assert httpx.get(served.address, headers=headers).status_code == 403  # nor may it log somebody in


def test_a_cookie_alone_sends_nothing(served: Served) -> None:
    with served.browser() as browser:
        del browser.headers["Origin"]
        assert browser.post("/predictions", content=b"x").status_code == 403
        assert browser.post("/predictions", content=b"x", headers={"Origin": served.base}).status_code == 400
        assert browser.get("/").status_code == 200


def test_every_answer_bounds_what_a_page_may_do(served: Served) -> None:
    answers = [
        httpx.get(served.base),
        served.ask("GET", "/"),
        served.ask("GET", "/nowhere"),
        served.predict(content=b"x"),
        served.predict(content=bytes(2_000_001)),
    ]
    assert [answer.status_code for answer in answers] == [401, 200, 404, 400, 413]
    for answer in answers:
        assert answer.headers["content-security-policy"].startswith("default-src 'none'; script-src 'self';")
        assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "same-origin"
        assert answer.headers["cache-control"] == "no-store"
        assert "server" not in answer.headers


def test_markup_in_a_file_is_text_on_the_page(served: Served, tmp_path: Path) -> None:
    answer = served.predict(content=packed(tmp_path))
    report = answer.json()[0]
    evil = "<script>alert(1)</script>"
    report["header_disagreements"][0]["header"] = evil
    report["reason"] = report["warnings"][-1] = f"'\"{evil}"
    page = bytes(result_page("x", Outcome(status=200, reports=(report,), overlays=("",))).body).decode()
    assert evil not in page
    assert page.count("&lt;script&gt;alert(1)&lt;/script&gt;") == 3
