"""Starts, dynamics in a host, campaigns of runs."""
