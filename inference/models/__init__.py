"""The networks, and the files that their weights come in."""
