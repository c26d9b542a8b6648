"""Nouns that every room shares: no files, no clock, no scheduler."""
