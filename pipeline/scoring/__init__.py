"""Forecast against realised: scores, calibration, drift, and what plans were worth."""
