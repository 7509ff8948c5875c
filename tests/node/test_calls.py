"""One call of a name at a time, and none for ever."""

from __future__ import annotations

import threading

import pytest

from node.calls import Calls
from storage.errors import LedgerDown
from tests.waiting import eventually


def test_a_call_is_not_begun_twice_and_holds_up_no_other() -> None:
    calls, go, done = Calls(), threading.Event(), []

    def slow() -> None:
        go.wait(20)
        done.append("slow")

    assert calls.begin("a", slow)
    assert not calls.begin("a", slow)
    assert calls.begin("b", lambda: done.append("b"))
    eventually(lambda: done == ["b"])
    go.set()
    eventually(lambda: done == ["b", "slow"])
    eventually(lambda: calls.begin("a", lambda: done.append("again")))
    eventually(lambda: done == ["b", "slow", "again"])


@pytest.mark.parametrize("error", [LedgerDown("the database does not answer"), KeyError("a bug")])
def test_a_call_that_fails_can_be_begun_again(error: Exception, capsys: pytest.CaptureFixture[str]) -> None:
    calls, came = Calls(), []

    def fails() -> None:
        came.append(1)
        raise error

    assert calls.begin("a", fails)
    eventually(lambda: calls.begin("a", fails))
    eventually(lambda: len(came) == 2)
    eventually(lambda: not calls._under_way)
    said = "".join(capsys.readouterr())
    assert ("waiting" if isinstance(error, LedgerDown) else "call failed") in said
    assert ("call failed" in said) == isinstance(error, KeyError)
