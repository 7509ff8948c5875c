"""What a peer accepts: one association that proposes all that we could send and ask."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from pydicom.uid import UID, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from node.addresses import PeerAddress
from node.association_failure import explain
from node.commitment import PUSH_MODEL
from node.config import Config
from node.destinations import Destination, ReadBack
from node.doctor.findings import Finding, Outcome
from node.query import STUDY_ROOT_FIND
from node.requestor import VERIFICATION, NotAssociated, requested
from node.scu import CONTEXT_RESULTS
from node.transport import Timeouts
from node.upper_layer.negotiation import Syntax
from storage.kinds import SOP_CLASSES, Kind

SYNTAX_NAMES: Final = {ExplicitVRLittleEndian: "explicit", ImplicitVRLittleEndian: "implicit"}
"""Both little endian: in which result objects are sent."""
CLASSES: Final[Mapping[str, UID]] = {
    **{kind.value: uid for kind, uid in SOP_CLASSES.items()},
    "commitment": PUSH_MODEL,
    "C-FIND": STUDY_ROOT_FIND,
    "Verification": VERIFICATION,
}
NO_ANSWER: Final = "no answer for this context"

Accepted = Mapping[str, tuple[str, ...]]
"""Name in `CLASSES` -> the transfer syntaxes in which it is accepted."""


def offered(
    config: Config, destination: Destination, address: PeerAddress, timeouts: Timeouts
) -> list[Finding]:
    """Which SOP classes the peer accepts, held against what the configuration sends and asks."""
    syntaxes = [(uid, syntax) for uid in CLASSES.values() for syntax in SYNTAX_NAMES]
    try:
        with requested(
            address, calling_ae=config.node.ae_title, syntaxes=syntaxes, timeouts=timeouts
        ) as peer:
            accepted, refused = dict(peer.accepted), peer.refused
    except NotAssociated as error:
        if not error.refused:
            why = f"no association: {explain(error.failure, own_port=config.node.port)}"
            return [_finding(destination, "accepts", Outcome.NOT_CHECKED, why)]
        accepted, refused = {}, error.refused
    names = {
        name: tuple(words for syntax, words in SYNTAX_NAMES.items() if (uid, syntax) in accepted)
        for name, uid in CLASSES.items()
    }
    return [judge(destination, name, names, _refusal(uid, refused)) for name, uid in CLASSES.items()]


def _refusal(uid: UID, refused: Mapping[Syntax, int]) -> str:
    said = {CONTEXT_RESULTS.get(result, NO_ANSWER) for (each, _), result in refused.items() if each == uid}
    return ", ".join(sorted(said))


def judge(destination: Destination, name: str, accepted: Accepted, refusal: str) -> Finding:
    """One SOP class: whether it is accepted, and whether that matters."""
    check = f"accepts {name}"
    if accepted[name]:
        words = " and ".join(accepted[name])
        return _finding(
            destination, check, Outcome.OK, f"yes, {words} VR little endian{_idle(destination, name)}"
        )
    measured = f"no: {refusal or NO_ANSWER}"
    if not _wanted(destination, name):
        return _finding(destination, check, Outcome.OK, f"{measured}; not configured, not needed")
    tell = f"Accept {CLASSES[name].name} ({CLASSES[name]}) of our AE title."
    if name in tuple(Kind):
        return _kind(destination, Kind(name), accepted, measured, tell)
    key = {"commitment": "commitment: false", "C-FIND": "read_back: none"}[name]
    return _finding(destination, check, Outcome.FAILED, measured, tell=tell, write=_yaml(destination, key))


def _wanted(destination: Destination, name: str) -> bool:
    if name in tuple(Kind):
        return name in destination.kinds or name in destination.instead.values()
    asked = {"commitment": destination.commitment, "C-FIND": destination.read_back is ReadBack.FIND}
    return asked.get(name, False)


def _idle(destination: Destination, name: str) -> str:
    """What the peer could be asked, and is not."""
    could = {"commitment": "commitment: true", "C-FIND": "read_back: find"}
    if name not in could or _wanted(destination, name):
        return ""
    return f"; not used ({could[name]} would)"


def _kind(destination: Destination, kind: Kind, accepted: Accepted, measured: str, tell: str) -> Finding:
    """A kind that is refused: what goes in its place, or could."""
    check = f"accepts {kind}"
    instead = destination.instead.get(kind)
    if instead is not None and accepted[instead]:
        words = f"{measured}; {instead} is sent in its place"
        return _finding(destination, check, Outcome.WARNING, words, tell=tell)
    other = next((each for each in (Kind.SC, Kind.PDF, Kind.SR) if each != kind and accepted[each]), None)
    line = f"instead: {{{kind.lower()}: {other.lower()}}}" if other else ""
    write = _yaml(destination, line) if line else ""
    return _finding(destination, check, Outcome.FAILED, measured, tell=tell, write=write)


def _yaml(destination: Destination, line: str) -> str:
    return f"peers:\n  - name: {destination.name}\n    {line}"


def _finding(
    destination: Destination, check: str, outcome: Outcome, measured: str, *, tell: str = "", write: str = ""
) -> Finding:
    return Finding(
        about=destination.name, check=check, outcome=outcome, measured=measured, tell=tell, write=write
    )
