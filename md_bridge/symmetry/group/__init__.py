"""Elements of O(3): quadratures, matrices of representations, what averages over sets leave."""
