"""The ledger's desks serve the publisher's tests too."""

from tests.io.ledger.conftest import make_desk, postgres, sqlite_desk, templates

__all__ = ["make_desk", "postgres", "sqlite_desk", "templates"]
