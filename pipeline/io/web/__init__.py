"""Calls to platforms over HTTPS: patience with them, and the secrets of their accounts."""

from __future__ import annotations

from pipeline.io.web.api import Api, PlatformError
from pipeline.io.web.credentials import Credentials, credentials

__all__ = ["Api", "Credentials", "PlatformError", "credentials"]
