"""Secrets of a platform's account: an Airflow connection, held so that nothing prints it."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from pipeline.io.web.api import PlatformError


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """One connection. `extra` holds what the platform needs beside a token.

    Attributes:
        host: base URL of the platform's interface, empty for its own.
        token: the access token, empty where `extra` says how to get one.
    """

    name: str
    host: str = ""
    login: str = ""
    token: str = field(default="", repr=False)
    extra: dict[str, str] = field(default_factory=dict, repr=False)

    @property
    def secrets(self) -> tuple[str, ...]:
        """Every text that must never be shown."""
        return tuple(text for text in (self.token, *self.extra.values()) if len(text) > 5)

    def need(self, key: str) -> str:
        """Return an entry of `extra`.

        Raises:
            PlatformError: it is missing.
        """
        try:
            return self.extra[key]
        except KeyError:
            raise PlatformError(
                f"connection {self.name}: its extra has no {key!r}; add it to the connection"
            ) from None


def credentials(name: str) -> Credentials:
    """Return the connection of that name: an Airflow connection, as JSON or as a URI.

    Raises:
        PlatformError: there is none, or it cannot be read.
    """
    variable = f"AIRFLOW_CONN_{name.upper()}"
    text = os.environ.get(variable)
    if not text:
        raise PlatformError(f"connection {name}: not found; set {variable} to its JSON form")
    try:
        spec = json.loads(text) if text.lstrip().startswith("{") else _from_uri(text)
        extra = spec.get("extra") or {}
        extra = json.loads(extra) if isinstance(extra, str) else extra
        return Credentials(
            name=name,
            host=str(spec.get("host") or "").rstrip("/"),
            login=str(spec.get("login") or ""),
            token=str(spec.get("password") or ""),
            extra={str(key): str(value) for key, value in extra.items()},
        )
    except (ValueError, AttributeError, TypeError):
        raise PlatformError(
            f"connection {name}: {variable} cannot be read; need JSON with "
            "conn_type, host, password and extra"
        ) from None


def _from_uri(text: str) -> dict[str, Any]:
    """Return the parts of Airflow's URI form of a connection; its extra is the query."""
    parts = urlsplit(text)
    extra = {key: values[-1] for key, values in parse_qs(parts.query).items()}
    scheme = extra.pop("scheme", "https")
    port = f":{parts.port}" if parts.port else ""
    return {
        "host": f"{scheme}://{parts.hostname}{port}" if parts.hostname else "",
        "login": unquote(parts.username or ""),
        "password": unquote(parts.password or ""),
        "extra": json.loads(extra["__extra__"]) if "__extra__" in extra else extra,
    }
