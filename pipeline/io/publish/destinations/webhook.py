"""A service of one's own: the signed plan's lines as one signed message.

The signature is the one of standardwebhooks.com: HMAC-SHA256 with the shared secret over
`id.timestamp.body`. The message's id depends on plan and destination alone, so that a receiver that
gets it twice can tell. What counts as read back is the content hash that the receiver answers with.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from pipeline.io.artefacts import json_bytes
from pipeline.io.feeds.rows import dig
from pipeline.io.publish.destinations.order import Order, Seen
from pipeline.io.web import Api, Credentials, PlatformError

_PREFIX = "whsec_"


class Webhook:
    """One receiver.

    Args:
        about: what the message says beside its lines: plan, day, currency, content hash.
        line_columns: the line's columns.
        login: host is the whole address, the password is the shared secret.
        now: what time it is, for the timestamp that is signed.
    """

    batch = 1_000_000
    rehearses = False
    restores = False

    def __init__(
        self,
        about: Mapping[str, Any],
        line_columns: Sequence[str],
        login: Credentials,
        now: Callable[[], datetime],
        sleep: Callable[[float], None],
    ) -> None:
        self.label = f"webhook {login.name}"
        if not login.host:
            raise PlatformError(f"connection {login.name}: has no host, the receiver's address")
        self._key = _key(login)
        self._about, self._columns, self._now = dict(about), tuple(line_columns), now
        self._url = login.host
        self._api = Api(
            self.label, login.host, headers={}, secrets=(*login.secrets, login.token), sleep=sleep
        )
        self._taken: dict[int, int] = {}

    def look(self, orders: Sequence[Order]) -> Mapping[int, Seen]:
        """Return what the receiver has confirmed to this process; it cannot be asked again."""
        return {item.position: Seen(amount=self._taken.get(item.position)) for item in orders}

    def send(self, orders: Sequence[Order], *, dry_run: bool) -> Mapping[int, str]:
        """Send every line in one message, and read the receiver's answer."""
        if dry_run:
            return {}
        body = json_bytes({**self._about, "lines": [self._line(item) for item in orders]})
        answer = self._api.send(self._url, body, self._headers(body))
        if dig(answer, "content_hash") != self._about["content_hash"]:
            raise PlatformError(
                f"{self.label}: answered without the plan's content_hash; a receiver answers with "
                "the hash of what it stored"
            )
        said = {
            tuple(str(part) for part in _listed(dig(item, "line"))): str(
                dig(item, "why") or "refused"
            )
            for item in _listed(dig(answer, "refused"))
        }
        refused = {item.position: said[item.line] for item in orders if item.line in said}
        self._taken = {
            item.position: item.amount for item in orders if item.position not in refused
        }
        return refused

    def _line(self, order: Order) -> dict[str, Any]:
        return {
            "line": dict(zip(self._columns, order.line, strict=True)),
            "budget_minor": order.amount,
            "before_minor": order.before,
        }

    def _headers(self, body: bytes) -> dict[str, str]:
        identity = f"{self._about['plan_id']}.{self._about['destination']}"
        moment = str(int(self._now().timestamp()))
        signed = f"{identity}.{moment}.".encode() + body
        mac = hmac.new(self._key, signed, hashlib.sha256).digest()
        return {
            "content-type": "application/json",
            "webhook-id": identity,
            "webhook-timestamp": moment,
            "webhook-signature": f"v1,{base64.b64encode(mac).decode()}",
        }


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _key(login: Credentials) -> bytes:
    """Return the secret's bytes: base64 behind `whsec_`, as that standard writes it."""
    try:
        key = base64.b64decode(login.token.removeprefix(_PREFIX), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if len(key) < 24:
        raise PlatformError(
            f"connection {login.name}: its password is no webhook secret; need {_PREFIX} and at "
            "least 24 bytes in base64"
        )
    return key
