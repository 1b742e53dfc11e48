"""What a run is, and readers of what other programs leave."""
