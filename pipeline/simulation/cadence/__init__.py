"""Audiences whose true answer to touches is known, and what policies earn with them."""
