"""The ledger at the bottom of the house: bytes, rows and workflows, shared by ``node`` and ``inference``."""
