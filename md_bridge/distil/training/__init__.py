"""A student learns from frames."""
