"""Access tokens from refresh tokens, where a connection holds those instead of a token."""

from __future__ import annotations

from collections.abc import Callable

from pipeline.io.web.api import Api, PlatformError
from pipeline.io.web.credentials import Credentials

GOOGLE = "https://oauth2.googleapis.com/token"
MICROSOFT = "https://login.microsoftonline.com/common/oauth2/v2.0/token"


def google_token(label: str, account: Credentials, sleep: Callable[[float], None]) -> str:
    """Return the connection's token, or a fresh one for its refresh token."""
    return account.token or _refreshed(label, account, GOOGLE, {}, sleep)


def microsoft_token(label: str, account: Credentials, sleep: Callable[[float], None]) -> str:
    """Return the connection's token, or a fresh one for its refresh token."""
    scope = {"scope": "https://ads.microsoft.com/msads.manage offline_access"}
    return account.token or _refreshed(label, account, MICROSOFT, scope, sleep)


def _refreshed(
    label: str,
    account: Credentials,
    url: str,
    more: dict[str, str],
    sleep: Callable[[float], None],
) -> str:
    api = Api(label, url, headers={}, secrets=account.secrets, sleep=sleep)
    answer = api.form_elsewhere(
        account.extra.get("token_url", url),
        {
            "grant_type": "refresh_token",
            "client_id": account.need("client_id"),
            "client_secret": account.need("client_secret"),
            "refresh_token": account.need("refresh_token"),
            **more,
        },
    )
    token = str(answer.get("access_token") or "")
    if not token:
        raise PlatformError(f"{label}: the refresh token gave no access token; log in anew")
    return token
