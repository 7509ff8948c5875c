"""Hostile peers: what a Storage SCP must survive, each attack with what must be seen.

Everything is sent over plain sockets from bytes built here, right ones and wrong ones: nothing of the
receiver is used, so that both cannot be wrong in the same way.
"""
