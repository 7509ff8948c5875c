"""Encapsulated pixels: a sequence of fragments (PS3.5 A.4). No I/O."""

from __future__ import annotations

from storage.elements import ITEM, SEQUENCE_DELIMITER, Encoded


def are_whole(data_set: Encoded, start: int, total_bytes: int) -> bool:
    """Whether the fragments from `start` on end with their delimiter.

    Of a data set that is longer than what is given of it, fragments are followed as far as it is given. The
    rest is believed, if the last of them and a delimiter behind it have room in `total_bytes`.
    """
    while data_set[start : start + 4] == ITEM:
        start += 8 + int.from_bytes(data_set[start + 4 : start + 8], "little")
    behind = start + len(SEQUENCE_DELIMITER)
    if behind > len(data_set):
        return len(data_set) < total_bytes and behind <= total_bytes
    return data_set[start:behind] == SEQUENCE_DELIMITER
