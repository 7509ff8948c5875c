"""Durable jobs, in real processes that are killed: none is lost, none is doubled, none holds up another."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator

import pytest
from sqlalchemy import text

from storage import heartbeats
from storage.ledger import Ledger
from storage.workflows import LOST_AFTER_S, MAX_RECOVERIES, Job, Jobs, Queue, executor_id
from tests.storage.processes import execute, kill, start, tell, told
from tests.waiting import eventually

Run = Callable[..., object]


@pytest.fixture
def jobs(sqlite_ledger: Ledger) -> Iterator[Jobs]:
    opened = Jobs(sqlite_ledger)
    yield opened
    opened.close()


@pytest.fixture
def run() -> Iterator[Run]:
    """Starts executors, and ends those that are left."""
    running = []

    def run_one(ledger: Ledger, role: str = "worker") -> object:
        url = ledger.engine.url.render_as_string(hide_password=False)
        running.append(start(execute, url, role))
        return running[-1]

    yield run_one
    for process in running:
        if process.is_alive():
            kill(process)


def _job(
    n: int, name: str = "note", *, partition: str | None = None, delay_s: float = 0.0, key: str | None = None
) -> Job:
    queue = Queue.INFER if partition is None else Queue.DELIVER
    prefix = "" if partition is None else "deliver "
    return Job(
        queue=queue,
        name=prefix + name,
        key=key or f"{name}/{n}",
        arguments=(n,),
        delay_s=delay_s,
        partition=partition,
    )


def _enqueue(ledger: Ledger, jobs: Jobs, *owed: Job) -> None:
    with ledger.writing() as connection:
        for job in owed:
            jobs.enqueue(connection, job)


def _states(ledger: Ledger) -> dict[str, str]:
    """Which jobs are known, and their states."""
    schema = "" if ledger.engine.dialect.name == "sqlite" else "dbos."
    query = text(f"SELECT workflow_uuid, status FROM {schema}workflow_status")
    with ledger.reading() as connection:
        return {key: status for key, status in connection.execute(query)}  # noqa: C416


def _wait_for(ledger: Ledger, kind: str, subjects: set[str]) -> None:
    eventually(lambda: subjects <= set(told(ledger, kind)), timeout_s=60, what=f"{kind}: {subjects}")


def test_a_job_is_owed_when_its_transaction_commits(ledger: Ledger) -> None:
    jobs = Jobs(ledger)
    with pytest.raises(RuntimeError), ledger.writing() as connection:
        jobs.enqueue(connection, _job(1, key="rolled back"))
        raise RuntimeError
    _enqueue(ledger, jobs, _job(1, key=f"committed/{ledger.engine.dialect.name}"))
    assert "rolled back" not in _states(ledger)
    assert f"committed/{ledger.engine.dialect.name}" in _states(ledger)
    jobs.close()


def test_what_is_stored_of_a_job_is_json(sqlite_ledger: Ledger, jobs: Jobs) -> None:
    owed = Job(queue=Queue.INFER, name="analyse", key="analyse/1.2.3/4", arguments=("1.2.3", 4))
    _enqueue(sqlite_ledger, jobs, owed)
    assert _states(sqlite_ledger) == {owed.key: "ENQUEUED"}
    with sqlite_ledger.reading() as connection:
        inputs = connection.execute(text("SELECT inputs FROM workflow_input")).scalar_one()
        formats = connection.execute(text("SELECT serialization FROM workflow_status")).scalar_one()
    assert json.loads(inputs) == {"positionalArgs": ["1.2.3", 4], "namedArgs": {}}
    assert formats == "portable_json"


def test_a_key_that_is_enqueued_twice_runs_once(sqlite_ledger: Ledger, jobs: Jobs, run: Run) -> None:
    _enqueue(sqlite_ledger, jobs, _job(1), _job(1))
    _enqueue(sqlite_ledger, jobs, _job(1))
    run(sqlite_ledger)
    _wait_for(sqlite_ledger, "noted", {"1"})
    _enqueue(sqlite_ledger, jobs, _job(1), _job(2))  # done already: the key is unique for ever
    _wait_for(sqlite_ledger, "noted", {"2"})
    assert told(sqlite_ledger, "noted") == ["1", "2"]


def test_no_job_is_lost_when_the_executor_is_killed_in_the_middle(
    sqlite_ledger: Ledger, jobs: Jobs, run: Run
) -> None:
    _survive(sqlite_ledger, jobs, run, count=20, killed=(2, 5, 9, 14, 19))


def test_no_job_is_lost_on_postgresql(postgres_url: str, run: Run) -> None:
    ledger = Ledger(postgres_url)
    jobs = Jobs(ledger)
    _survive(ledger, jobs, run, count=6, killed=(1, 5))
    assert set(_states(ledger).values()) == {"SUCCESS"}
    jobs.close()
    ledger.close()


def _survive(ledger: Ledger, jobs: Jobs, run: Run, *, count: int, killed: tuple[int, ...]) -> None:
    """The jobs in `killed` run until their process dies, and again after it returns."""
    _enqueue(ledger, jobs, *(_job(n, "hold once" if n in killed else "note") for n in range(count)))
    for n in killed:
        process = run(ledger)
        _wait_for(ledger, "started", {str(n)})
        kill(process)  # type: ignore[arg-type]
    run(ledger)
    _wait_for(ledger, "ended", {str(n) for n in killed})
    _wait_for(ledger, "noted", {str(n) for n in range(count) if n not in killed})
    assert sorted(told(ledger, "started")) == sorted(2 * [str(n) for n in killed])
    eventually(lambda: list(_states(ledger).values()) == ["SUCCESS"] * count)
    assert jobs.failed(list(_states(ledger))) == {}


def test_a_delayed_job_keeps_its_delay_over_a_restart(sqlite_ledger: Ledger, jobs: Jobs, run: Run) -> None:
    before = time.time()
    delay_s = 2.0
    _enqueue(sqlite_ledger, jobs, _job(1, delay_s=delay_s), _job(2))
    process = run(sqlite_ledger)
    _wait_for(sqlite_ledger, "noted", {"2"})
    kill(process)  # type: ignore[arg-type]
    run(sqlite_ledger)
    _wait_for(sqlite_ledger, "noted", {"1"})
    with sqlite_ledger.reading() as connection:
        ran_at = connection.execute(
            text("SELECT at FROM event WHERE kind='noted' AND subject='1'")
        ).scalar_one()
    assert ran_at >= before + delay_s
    assert told(sqlite_ledger, "noted")[-1] == "1"


def test_a_destination_that_blocks_holds_up_no_other(sqlite_ledger: Ledger, jobs: Jobs, run: Run) -> None:
    run(sqlite_ledger)
    _enqueue(sqlite_ledger, jobs, _job(1, "hold", partition="DEAD"), _job(2, partition="DEAD"))
    _wait_for(sqlite_ledger, "started", {"1"})
    _enqueue(sqlite_ledger, jobs, *(_job(n, partition="PACS") for n in (3, 4, 5)))
    _wait_for(sqlite_ledger, "noted", {"3", "4", "5"})
    assert "2" not in told(sqlite_ledger, "noted")  # one at a time for each destination
    tell(sqlite_ledger, "release", 1)
    _wait_for(sqlite_ledger, "noted", {"2"})
    assert told(sqlite_ledger, "ended") == ["1"]


@pytest.mark.parametrize("partition", [None, "PACS"])
def test_a_host_that_never_returns_is_relieved(
    sqlite_ledger: Ledger, jobs: Jobs, run: Run, partition: str | None
) -> None:
    owed = _job(1, "hold once", partition=partition)
    _enqueue(sqlite_ledger, jobs, owed)
    gone = run(sqlite_ledger, "gone")
    _wait_for(sqlite_ledger, "started", {"1"})
    kill(gone)  # type: ignore[arg-type]
    run(sqlite_ledger, "other")
    _wait_for(sqlite_ledger, "executor", {"other"})
    assert jobs.take_over(time.time()) == []  # its heartbeat is young: it may return
    _age_heartbeat(sqlite_ledger, executor_id("gone"))
    assert jobs.take_over(time.time()) == [owed.key]
    _wait_for(sqlite_ledger, "ended", {"1"})
    assert jobs.take_over(time.time()) == []


def test_a_host_of_another_name_is_forgotten_once_it_is_relieved(sqlite_ledger: Ledger, jobs: Jobs) -> None:
    """A container has another name at each start; a process of this host that hangs stays in sight."""
    now = time.time()
    beats = {"old-name/worker": 1000, "young/worker": 10, executor_id("worker"): 1000}
    with sqlite_ledger.writing() as connection:
        for name, age_s in beats.items():
            heartbeats.beat(connection, name, now - age_s)
    assert jobs.take_over(now) == []
    with sqlite_ledger.reading() as connection:
        assert set(heartbeats.last(connection, beats)) == {"young/worker", executor_id("worker")}


def _age_heartbeat(ledger: Ledger, executor: str) -> None:
    with ledger.writing() as connection:
        aged = text("UPDATE heartbeat SET at = at - :age WHERE executor_id = :executor")
        assert connection.execute(aged, {"age": LOST_AFTER_S + 1, "executor": executor}).rowcount == 1


def test_a_job_that_kills_its_process_every_time_is_left_alone(
    sqlite_ledger: Ledger, jobs: Jobs, run: Run
) -> None:
    deadly = _job(1, "kill")
    _enqueue(sqlite_ledger, jobs, deadly, _job(2))
    lives = 0
    while "2" not in told(sqlite_ledger, "noted"):
        process = run(sqlite_ledger)
        lives += 1
        eventually(lambda p=process: not p.is_alive() or told(sqlite_ledger, "noted"))  # type: ignore[misc]
    assert told(sqlite_ledger, "started") == ["1"] * (MAX_RECOVERIES + 1)
    assert lives == MAX_RECOVERIES + 2
    assert jobs.failed([deadly.key, "note/2"]) == {deadly.key: "MAX_RECOVERY_ATTEMPTS_EXCEEDED"}


def test_a_job_that_raises_has_failed_and_says_how(sqlite_ledger: Ledger, jobs: Jobs, run: Run) -> None:
    _enqueue(sqlite_ledger, jobs, _job(7, "fail"), _job(8))
    run(sqlite_ledger)
    _wait_for(sqlite_ledger, "noted", {"8"})
    assert jobs.failed(["fail/7", "note/8"]) == {
        "fail/7": "ERROR: ValueError"
    }  # its words may quote a patient
    assert jobs.failed([]) == {}


def test_only_the_history_of_jobs_that_ended_before_is_forgotten(
    sqlite_ledger: Ledger, jobs: Jobs, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("storage.workflows.FORGET_BATCH", 2)
    _enqueue(sqlite_ledger, jobs, *(_job(n) for n in range(4)), _job(9, "fail"), _job(10, "hold"))
    run(sqlite_ledger)
    _wait_for(sqlite_ledger, "started", {"10"})
    _enqueue(sqlite_ledger, jobs, _job(11))
    with sqlite_ledger.writing() as connection:  # they were enqueued long ago, and ended just now
        connection.execute(text("UPDATE workflow_status SET created_at = created_at - 7200000"))
    assert jobs.forget_before(time.time() - 3600) == 0
    assert jobs.forget_before(time.time() + 1) == 5
    assert _states(sqlite_ledger) == {"hold/10": "PENDING", "note/11": "ENQUEUED"}
    tell(sqlite_ledger, "release", 10)
    _wait_for(sqlite_ledger, "noted", {"11"})


def test_a_heartbeat_is_one_row_for_each_process(sqlite_ledger: Ledger, run: Run) -> None:
    for _ in range(2):
        run(sqlite_ledger)
    eventually(lambda: len(told(sqlite_ledger, "executor")) == 2)
    with sqlite_ledger.reading() as connection:
        rows = connection.execute(text("SELECT executor_id FROM heartbeat")).scalars().all()
    assert rows == [executor_id("worker")]
