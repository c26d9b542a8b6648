"""Measurements: speed, growth, and what following the plans earns."""
