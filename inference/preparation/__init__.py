"""A user's own volumes and labels as a data set that `ctnode train` and `ctnode evaluate` read."""
