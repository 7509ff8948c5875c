"""A small PACS for `ctnode demo`: keeps what it is sent, one file an instance. Not for a hospital."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pynetdicom import AE, evt
from pynetdicom.transport import ThreadedAssociationServer

from node.contexts import accepted_contexts
from node.part10 import file_head
from node.status import SUCCESS


class SmallPacs:
    """A Storage SCP that writes into one folder."""

    def __init__(self, folder: Path, *, ae_title: str, port: int) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        ae = AE(ae_title=ae_title)
        ae.supported_contexts = accepted_contexts()
        handlers: list[Any] = [(evt.EVT_C_STORE, self._on_store)]
        server = ae.start_server(("127.0.0.1", port), block=False, evt_handlers=handlers)
        self._server: ThreadedAssociationServer | None = server

    def _on_store(self, event: evt.Event) -> int:
        request: Any = event.request
        head = file_head(
            sop_class_uid=str(request.AffectedSOPClassUID),
            sop_instance_uid=str(request.AffectedSOPInstanceUID),
            transfer_syntax_uid=str(event.context.transfer_syntax),
            sending_ae=event.assoc.requestor.ae_title,
            receiving_ae=event.assoc.acceptor.ae_title,
        )
        part = self.folder / f"{request.AffectedSOPInstanceUID}.part"
        part.write_bytes(head + request.DataSet.getvalue())
        part.rename(part.with_suffix(".dcm"))
        return SUCCESS

    def close(self) -> None:
        """Stop listening."""
        if self._server is not None:
            self._server.shutdown()
            self._server = None
