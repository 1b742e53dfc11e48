"""What docs/make_pretrained.py measures, keeps, tabulates and draws."""
