"""The checks: a module each, with functions from a subject to findings."""
