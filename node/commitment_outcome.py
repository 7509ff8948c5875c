"""What a report of storage commitment leads to: states, jobs, dead letters."""

from __future__ import annotations

from sqlalchemy import Connection

from node.proof import Remedy, remedy
from node.settling_proofs import SettlingProofs
from storage import proofs
from storage.records import Promise


def act_on(connection: Connection, promise: Promise, settling: SettlingProofs, now: float) -> None:
    """Every instance of a promise is committed to, or is dealt with as its Failure Reason asks.

    What the report does not mention is asked again; what is not of the transaction is not believed.
    """
    assert promise.report is not None  # it is REPORTED
    left = proofs.of_instances(connection, promise.destination, uids_of(promise))
    transaction = f"transaction {promise.transaction_uid}"
    kept = [left.pop(uid) for uid in promise.report.committed if uid in left]
    settling.committed(connection, kept, how=f"committed to, {transaction}", now=now)
    for reason in sorted({reason for _uid, reason in promise.report.failed}):
        failed = [left.pop(uid) for uid, said in promise.report.failed if said == reason and uid in left]
        found, meaning = remedy(reason)
        deal = {
            Remedy.SEND_AGAIN: settling.send_again,
            Remedy.ASK_AGAIN: settling.ask_again,
            Remedy.PERSON: settling.bury,
        }[found]
        deal(connection, failed, why=f"stored, but not committed to: {meaning} ({transaction})", now=now)
    silent = f"the report of storage commitment does not mention it ({transaction})"
    settling.ask_again(connection, list(left.values()), why=silent, now=now)


def uids_of(promise: Promise) -> list[str]:
    """The SOP Instance UIDs that were asked for."""
    return [sop for _sop_class, sop in promise.instances]
