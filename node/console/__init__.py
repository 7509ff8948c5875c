"""The web console: what the node does, for people who administer it. One more process of `ctnode serve`.

It reads the ledger and the store. What it changes (a retry, a release, an account) goes through the functions
that the commands use, in one transaction with an event that says who did it. Nobody sees anything without a
login.
"""
