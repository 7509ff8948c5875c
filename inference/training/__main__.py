"""The commands of `ctnode train`, without the node: python -m inference.training score ..."""

from __future__ import annotations

from inference.training.commands import train_app

if __name__ == "__main__":
    train_app()
