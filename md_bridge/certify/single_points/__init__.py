"""Energy, forces and virial of one structure, by each host as it is installed."""
