"""Statistics and verdicts: arrays in, numbers out. No files, no hosts."""
