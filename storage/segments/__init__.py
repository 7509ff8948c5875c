"""The segment store: instances in large files that are written once and used again.

Why it is faster than a file for each instance: see `storage.segments.spares` and `storage.segments.commit`.
The format stands in `storage.segments.record`.
"""
