"""metatrain's PET as functions that can be compiled."""
