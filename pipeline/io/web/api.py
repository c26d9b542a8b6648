"""Calls to a platform over HTTPS: throttling and passing faults are waited out, refusals are not.

Retrying is tenacity's. What a platform says in its answer's body (a code in a 200, a quota in a
403) is told apart by the platform's own `judge`.
"""

from __future__ import annotations

import functools
import ssl
from collections.abc import Callable, Mapping
from typing import Any

import httpx
from tenacity import RetryCallState, Retrying, retry_if_exception_type, stop_after_attempt

from pipeline.core.errors import StorageError

ATTEMPTS = 6
LONGEST_WAIT = 120.0  # seconds; longer quotas are for the scheduler's own retries
MAX_PAGES = 10_000
MAX_BYTES = 256 << 20


class PlatformError(StorageError):
    """A platform could not be read or written; what was stored before stays as it was."""

    code = "platform"


class _TryAgainError(Exception):
    """The platform is busy; `after` is how long it asked for, in seconds."""

    def __init__(self, said: str, after: float | None = None) -> None:
        super().__init__(said)
        self.after = after


Judge = Callable[[Any], tuple[str, bool] | None]
"""What is wrong with an answer's JSON, and whether waiting helps; None when it is good."""


def no_fault(payload: Any) -> tuple[str, bool] | None:
    """Return None: the platform says everything in the status."""
    del payload
    return None


class Api:
    """One platform's interface for one account.

    Args:
        label: what errors call it.
        base: URL that paths start from; redirects to other hosts are not followed.
        headers: sent with every call, secrets included.
        secrets: texts that errors never hold.
        sleep: how to wait, in seconds.
        judge: reads faults out of a JSON answer.
    """

    def __init__(
        self,
        label: str,
        base: str,
        *,
        headers: Mapping[str, str],
        secrets: tuple[str, ...],
        sleep: Callable[[float], None],
        judge: Judge = no_fault,
    ) -> None:
        self.label = label
        self._base = base.rstrip("/")
        self._headers = dict(headers)
        self._secrets = secrets
        self._sleep = sleep
        self._judge = judge

    def get(self, path: str, **params: Any) -> Any:
        """Return the JSON of a GET; parameters that are None are left out."""
        sent = {key: value for key, value in params.items() if value is not None}
        return self._json("GET", path, params=sent or None)

    def post(self, path: str, body: Any) -> Any:
        """Return the JSON of a POST of JSON."""
        return self._json("POST", path, json=body)

    def form(self, path: str, data: Mapping[str, str]) -> Any:
        """Return the JSON of a POST of a form."""
        return self._json("POST", path, data=dict(data))

    def form_elsewhere(self, url: str, data: Mapping[str, str]) -> Any:
        """Return the JSON of a POST of a form, without the account's headers."""
        return self._json("POST", url, data=dict(data), headers={})

    def send(self, path: str, body: bytes, headers: Mapping[str, str]) -> Any:
        """Return the JSON of a POST of exactly these bytes, with headers of its own."""
        return self._json("POST", path, content=body, headers={**self._headers, **headers})

    def download(self, url: str) -> bytes:
        """Return the bytes behind a link that the platform gave, without the account's headers."""
        return self._call("GET", url, headers={}).content

    def _json(self, method: str, path: str, **how: Any) -> Any:
        def once() -> Any:
            answer = self._once(method, path, **how)
            try:
                payload = answer.json()
            except ValueError:
                raise PlatformError(f"{self.label}: answered something that is not JSON") from None
            fault = self._judge(payload)
            if fault is not None:
                said, passes = fault
                if passes:
                    raise _TryAgainError(said)
                raise PlatformError(self._clean(said))
            return payload

        return self._patiently(once)

    def _call(self, method: str, path: str, **how: Any) -> httpx.Response:
        response: httpx.Response = self._patiently(lambda: self._once(method, path, **how))
        return response

    def _patiently(self, once: Callable[[], Any]) -> Any:
        try:
            return Retrying(
                retry=retry_if_exception_type(_TryAgainError),
                stop=stop_after_attempt(ATTEMPTS),
                wait=_wait,
                sleep=self._sleep,
                reraise=True,
            )(once)
        except _TryAgainError as busy:
            raise PlatformError(
                self._clean(f"{busy}; asked {ATTEMPTS} times, try again later")
            ) from None

    def _once(self, method: str, path: str, **how: Any) -> httpx.Response:
        url = path if "://" in path else f"{self._base}/{path.lstrip('/')}"
        headers = how.pop("headers", self._headers)
        try:
            with httpx.Client(
                timeout=120, follow_redirects=False, headers=headers, verify=_trusted()
            ) as client:
                answer = client.request(method, url, **how)
        except httpx.TransportError as error:
            raise _TryAgainError(f"cannot be reached ({type(error).__name__})") from None
        except httpx.InvalidURL as error:
            raise PlatformError(self._clean(f"not an address: {error}")) from None
        if len(answer.content) > MAX_BYTES:
            raise PlatformError(
                f"{self.label}: answered {len(answer.content)} bytes; ask for fewer days"
            )
        if answer.status_code == 429 or answer.status_code >= 500:
            raise _TryAgainError(f"answered {answer.status_code}", _after(answer))
        if answer.status_code >= 300:
            self._refused(answer)
        return answer

    def _refused(self, answer: httpx.Response) -> None:
        """Raise what a status of 3xx or 4xx means, in the platform's own words."""
        try:
            fault = self._judge(answer.json())
        except ValueError:
            fault = None
        said, passes = fault or (" ".join(answer.text.split())[:200], False)
        if passes:
            raise _TryAgainError(said, _after(answer))
        raise PlatformError(self._clean(f"answered {answer.status_code}: {said}"))

    def _clean(self, said: str) -> str:
        for secret in self._secrets:
            said = said.replace(secret, "***")
        return f"{self.label}: {said}"


@functools.cache
def _trusted() -> ssl.SSLContext:
    """Return whom to trust, read once: reading it costs more than a call."""
    return httpx.create_ssl_context()


def _after(answer: httpx.Response) -> float | None:
    text = answer.headers.get("Retry-After", "")
    return float(text) if text.isdigit() else None


def _wait(state: RetryCallState) -> float:
    """Return seconds to wait: what the platform asked for, or twice as long each time."""
    error = state.outcome.exception() if state.outcome else None
    asked = error.after if isinstance(error, _TryAgainError) else None
    wait = asked if asked is not None else 2.0**state.attempt_number
    return float(min(wait, LONGEST_WAIT))
