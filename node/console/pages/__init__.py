"""One module for each page: handlers that read the ledger and fill a template."""
