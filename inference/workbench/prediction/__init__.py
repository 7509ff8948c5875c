"""The laptop's prediction server: files in by HTTP, the JSON of `ctnode analyze` out. No part of the node."""
