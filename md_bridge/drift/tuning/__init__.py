"""The search for the largest M that conserves energy."""
