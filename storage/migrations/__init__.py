"""The ledger's schema, version by version (alembic)."""
