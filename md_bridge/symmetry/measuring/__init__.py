"""One function evaluated for the copies of a structure, and the sums over its outputs."""
