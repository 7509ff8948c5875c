"""The audit trail (PS3.15 A.5): what happened becomes messages, in a file of chained lines, and syslog."""
