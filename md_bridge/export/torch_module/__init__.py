"""A plain torch module as an exported model."""
