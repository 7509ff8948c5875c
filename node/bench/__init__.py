"""Measurements that anybody can repeat: receiving, the gate, completion."""
