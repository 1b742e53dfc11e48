"""What is told of a student."""
