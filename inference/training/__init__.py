"""Training of the product's networks, reproducible from a data folder."""
