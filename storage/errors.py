"""Every way to fail, by whose fault it is and what happens next.

CtnodeError
+-- Refused            the data's fault: never retried, the sender is told
|   +-- Unreadable         the data set cannot be parsed
|   +-- InvalidIdentity    a UID is missing, malformed, or disagrees with the command set
|   +-- Duplicate          other content is stored under this SOP Instance UID
|   +-- Misfiled           this SOP Instance UID is stored in another series or study
|   +-- GeometryRefused    the slices do not make one volume
|   +-- InvalidResult      a result object of ours failed its checks: held, never sent
+-- Unavailable        the world's fault: retried later, nothing is lost
|   +-- OutOfSpace         free space is below the reserve
|   +-- LedgerDown         the database does not answer
|   +-- NeedsDecoder       no decoder for this transfer syntax is installed
|   +-- PeerUnavailable    a destination does not answer, or asks to be called again
|       +-- PeerBusy           it says that it has no room now: asked again soon
+-- PeerRefused        a destination does not let us in: its administrator or ours has to act
+-- Damaged            stored bytes are no longer those that were acknowledged: named, shown to people
+-- ConfigError        the administrator's fault: nothing starts until it is mended

Anything else that is raised is a bug and is allowed to be loud.
"""

from __future__ import annotations


class CtnodeError(Exception):
    """The root: an error that this product foresaw."""


class Refused(CtnodeError):
    """The data's fault: never retried.

    Attributes:
        attribute: the DICOM tag at fault as ``0xGGGGEEEE``, for (0000,0901) Offending Element
            (PS3.7 C.4.2), or None.
    """

    def __init__(self, message: str, *, attribute: int | None = None) -> None:
        super().__init__(message)
        self.attribute = attribute


class Unreadable(Refused):
    """The data set cannot be parsed."""


class InvalidIdentity(Refused):
    """A UID is missing, malformed, or disagrees with the command set."""


class Duplicate(Refused):
    """Other content is stored under this SOP Instance UID."""


class Misfiled(Refused):
    """This SOP Instance UID is stored in another series or study."""


class GeometryRefused(Refused):
    """The slices do not make one volume."""


class InvalidResult(Refused):
    """A result object of ours failed its checks: held, never sent."""


class Unavailable(CtnodeError):
    """The world's fault: retried later, nothing is lost."""


class OutOfSpace(Unavailable):
    """Free space is below the reserve."""


class LedgerDown(Unavailable):
    """The database does not answer."""


class NeedsDecoder(Unavailable):
    """No decoder for this transfer syntax is installed."""


class PeerUnavailable(Unavailable):
    """A destination does not answer, or asks to be called again."""


class PeerBusy(PeerUnavailable):
    """A destination says that it has no room now: it is asked again soon."""


class PeerRefused(CtnodeError):
    """A destination does not let us in: its administrator or ours has to act."""


class Damaged(CtnodeError):
    """Stored bytes are no longer those that were acknowledged: a person has to look at the disk."""


class ConfigError(CtnodeError):
    """The administrator's fault: nothing starts until it is mended."""
