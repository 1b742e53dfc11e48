"""Commands about structures: where a model puts atoms at rest, and how they vibrate there."""
