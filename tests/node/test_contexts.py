"""What we negotiate."""

from __future__ import annotations

from pydicom.uid import UID, UID_dictionary

from node.contexts import (
    COMPRESSED,
    STORAGE_SOP_CLASSES,
    STORAGE_TRANSFER_SYNTAXES,
    UNCOMPRESSED,
    WORKFLOW_SOP_CLASSES,
    accepted_contexts,
)
from storage.header import CT_SOP_CLASSES

ROOT = "1.2.840.10008.5.1.4.1.1."
OF_NO_PATIENT = {ROOT + end for end in ("200.1", "200.3", "200.7", "201.1")}
"""Non-Patient Object Storage (PS3.4 GG): protocols and inventories belong to no study and no series."""
OF_NO_MEDICINE = (ROOT + "501.", ROOT + "601.")
"""DICOS (security) and DICONDE (materials): other standards under the same root."""


def test_every_storage_class_of_pydicoms_dictionary_is_accepted() -> None:
    """An independent list: the SOP classes below the storage root that are not retired."""
    listed = {
        uid
        for uid, (name, kind, _info, retired, _keyword) in UID_dictionary.items()
        if kind == "SOP Class" and uid.startswith(ROOT) and not retired
        if "Storage" in name and uid not in OF_NO_PATIENT and not uid.startswith(OF_NO_MEDICINE)
    }
    missing = {UID(uid).name for uid in listed - set(STORAGE_SOP_CLASSES)}
    assert missing == set()


def test_ct_is_among_them() -> None:
    assert set(CT_SOP_CLASSES) <= set(STORAGE_SOP_CLASSES)


def test_the_workflow_is_uncompressed_and_storage_takes_all() -> None:
    contexts = {str(context.abstract_syntax): context.transfer_syntax for context in accepted_contexts()}
    names = [UID_dictionary[uid][0] for uid in WORKFLOW_SOP_CLASSES]
    assert names == [
        "Verification SOP Class",
        "Modality Performed Procedure Step SOP Class",
        "Storage Commitment Push Model SOP Class",
    ]
    for uid in WORKFLOW_SOP_CLASSES:
        syntaxes = contexts.pop(uid)
        assert set(syntaxes) == {"1.2.840.10008.1.2", "1.2.840.10008.1.2.1"}  # the default: PS3.5 10.1
    assert all(syntaxes == list(STORAGE_TRANSFER_SYNTAXES) for syntaxes in contexts.values())
    assert set(contexts) == set(STORAGE_SOP_CLASSES)


def test_the_transfer_syntaxes_are_real_and_sorted_rightly() -> None:
    assert all(uid.is_transfer_syntax for uid in STORAGE_TRANSFER_SYNTAXES)
    assert not any(uid.is_compressed for uid in UNCOMPRESSED)
    assert all(uid.is_compressed for uid in COMPRESSED)
    assert len(set(STORAGE_TRANSFER_SYNTAXES)) == len(STORAGE_TRANSFER_SYNTAXES)
