"""Where the tables come from: files, object stores and databases, read once a night."""

from pipeline.io.sources.snapshot import read_snapshot

__all__ = ["read_snapshot"]
