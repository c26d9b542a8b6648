"""Money over curves: the best split inside every limit, with a proof and prices."""
