"""Peers of the joint fit, each run by an interpreter of its own; see README.md here."""
