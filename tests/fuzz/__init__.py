"""Fuzzing of everything that reads what a peer or a disk gives: `python -m tests.fuzz TARGET --seconds N`."""
