"""What trajectories of two kinds of dynamics say, and whether they say the same."""
