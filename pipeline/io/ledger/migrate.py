"""Runs the migrations that are packaged beside this module."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import Connection


def run_migrations(connection: Connection, version: str) -> None:
    """Bring the tables to `version`, inside the caller's transaction."""
    from alembic import command
    from alembic.config import Config

    config = Config()
    folder = str(Path(__file__).parent / "migrations").replace("%", "%%")
    config.set_main_option("script_location", folder)
    config.attributes["connection"] = connection
    command.upgrade(config, version)
