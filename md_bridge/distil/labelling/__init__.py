"""Frames that a teacher labels."""
