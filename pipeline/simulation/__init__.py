"""Worlds with known truth, the closed loop through them, and the walk-forward on real history."""
