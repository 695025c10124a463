"""The only file that speaks HTTP to a source: one answer at a time, asked for until it is whole.

A secret goes to the host of the connection and to no other: redirects are not followed, and an
address that an answer names must be of the same host.
"""

import json
import logging
import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import quote, urlencode, urlsplit

from deepkt_irt.errors import BackendUnavailable, to_install
from deepkt_irt.pulling.connection import ApiKey, Bearer, ClientCredentials, RestApi
from deepkt_irt.pulling.secrets import secret

if TYPE_CHECKING:
    import urllib3

log = logging.getLogger(__name__)

_PASSING = frozenset({408, 425, 429, 500, 502, 503, 504})
_PORTS = {"http": 80, "https": 443}
_FIRST_WAIT_SECONDS = 1.0
_CHUNK_BYTES = 65_536
_EARLY_SECONDS = 30.0  # a token is renewed so long before it ends
_TOKEN_SECONDS = 300.0  # a token lasts so long if the server does not say


@dataclass(frozen=True)
class Answer:
    """A whole answer.

    Attributes:
        document: Its JSON; numbers are the text they were.
        link: Its header Link.
    """

    document: object
    link: str


class PassingFault(Exception):
    """What may be over when asked again; `seconds` to wait if the server said so."""

    def __init__(self, problem: str, seconds: float | None = None) -> None:
        super().__init__(problem)
        self.seconds = seconds


@dataclass
class Client:
    """Asks one REST interface.

    Attributes:
        connection: Where, and how often.
        sleep: Waits some seconds.
        clock: Seconds that never run backwards.
        chance: A number from 0 to 1, so that many clients do not come back together.
    """

    connection: RestApi
    sleep: Callable[[float], None] = time.sleep
    clock: Callable[[], float] = time.monotonic
    chance: Callable[[], float] = random.random
    _token: str = field(default="", repr=False)
    _token_until: float = 0.0

    def __post_init__(self) -> None:
        try:
            import urllib3  # noqa: PLC0415 - an extra
        except ModuleNotFoundError as error:
            need = f"urllib3 is not installed: {to_install('pull')}"
            raise BackendUnavailable(need) from error
        timeout = urllib3.Timeout(self.connection.timeout_seconds)
        self._pool: urllib3.PoolManager = urllib3.PoolManager(timeout=timeout, retries=False)

    def get(self, url: str) -> Answer:
        """The JSON behind an address.

        Raises:
            BackendUnavailable: If it does not answer, not whole, or says no.
        """
        self._refuse_elsewhere(url)
        return self._again_and_again(url, lambda: self._once(url))

    def _once(self, url: str) -> Answer:
        status, headers, body = self._send("GET", url, self._login())
        if status == 401 and isinstance(self.connection.auth, ClientCredentials):
            self._token = ""  # it ended before its time: with a new one, once
            status, headers, body = self._send("GET", url, self._login())
        _refuse_status(url, status, headers)
        return Answer(_json(body), headers.get("link", ""))

    def _again_and_again[T](self, url: str, ask: Callable[[], T]) -> T:
        """Ask until there is an answer, with longer and longer waits, or as long as it says."""
        allowed, longest = self.connection.attempts, self.connection.longest_wait_seconds
        for attempt in range(1, allowed + 1):
            try:
                return ask()
            except PassingFault as fault:
                seconds = fault.seconds
                if seconds is None:
                    seconds = min(_FIRST_WAIT_SECONDS * 2 ** (attempt - 1), longest)
                    seconds *= 0.5 + self.chance() / 2
                if attempt == allowed or seconds > longest:
                    tried = f"tried {attempt} times" if attempt > 1 else "tried once"
                    wait = f", asks to wait {seconds:,.0f} s" if fault.seconds else ""
                    raise BackendUnavailable(
                        f"{_shown(url)}: {fault} ({tried}{wait}); run again later"
                    ) from fault
                log.info("%s: %s; again in %.1f s", _shown(url), fault, seconds)
                self.sleep(seconds)
        raise AssertionError("unreachable: the last attempt returns or raises")

    def _send(
        self, method: str, url: str, headers: Mapping[str, str], body: str | None = None
    ) -> tuple[int, Mapping[str, str], bytes]:
        """One request, and the whole of what came back."""
        from urllib3.exceptions import HTTPError  # noqa: PLC0415 - an extra

        try:
            response = self._pool.request(
                method,
                url,
                headers={"Accept": "application/json", **headers},
                body=body,
                redirect=False,
                preload_content=False,
            )
            try:
                content = self._limited(url, response)
            finally:
                response.close()
        except (
            HTTPError
        ) as error:  # of urllib3: no connection, cut off, too slow, a wrong certificate
            raise PassingFault(f"no whole answer ({type(error).__name__})") from error
        return response.status, response.headers, content

    def _limited(self, url: str, response: "urllib3.BaseHTTPResponse") -> bytes:
        content = bytearray()
        for chunk in response.stream(_CHUNK_BYTES, decode_content=True):
            content += chunk
            if len(content) > self.connection.max_page_bytes:
                limit = f"{self.connection.max_page_bytes:,} bytes"
                raise BackendUnavailable(
                    f"{_shown(url)}: a page of more than {limit}; ask for smaller pages in "
                    "parameters, or raise max_page_bytes"
                )
        return bytes(content)

    def _refuse_elsewhere(self, url: str) -> None:
        """Refuse an address of another host, as the one that is to send the request reads it."""
        home, there = _host(self.connection.url), _host(url)
        if there != home:
            scheme, host, port = there
            raise BackendUnavailable(
                f"{_shown(self.connection.url)}: names a page at {scheme}://{host}:{port}; other "
                "hosts are not asked, since they would get the secret"
            )

    def _login(self) -> dict[str, str]:
        """Headers that say who asks."""
        auth = self.connection.auth
        if isinstance(auth, Bearer):
            return {"Authorization": f"Bearer {secret(auth.token)}"}
        if isinstance(auth, ApiKey):
            return {auth.header: secret(auth.value)}
        if isinstance(auth, ClientCredentials):
            if not self._token or self.clock() >= self._token_until:
                self._renew(auth)
            return {"Authorization": f"Bearer {self._token}"}
        return {}

    def _renew(self, auth: ClientCredentials) -> None:
        """Fetch a token; what is amiss is a fault of the request that needs it."""
        form = {"grant_type": "client_credentials", **({"scope": auth.scope} if auth.scope else {})}
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        password = secret(auth.client_secret)
        if auth.client_in == "body":
            form |= {"client_id": auth.client_id, "client_secret": password}
        else:
            headers |= _basic(auth.client_id, password)
        status, answered, body = self._send("POST", auth.token_url, headers, urlencode(form))
        _refuse_status(auth.token_url, status, answered)
        document = _json(body)
        given = document if isinstance(document, dict) else {}
        if not isinstance(given.get("access_token"), str):
            raise BackendUnavailable(f"{_shown(auth.token_url)}: its answer has no access_token")
        self._token = given["access_token"]
        self._token_until = self.clock() + _lasts(given.get("expires_in")) - _EARLY_SECONDS


def _host(url: str) -> tuple[str, str, int]:
    """Scheme, host and port of an address."""
    from urllib3.exceptions import LocationParseError  # noqa: PLC0415 - an extra
    from urllib3.util import parse_url  # noqa: PLC0415

    try:
        parts = parse_url(url)
    except LocationParseError as error:
        raise BackendUnavailable(f"an address of a page cannot be read: {_shown(url)}") from error
    scheme = parts.scheme or ""
    return scheme, parts.host or "", parts.port or _PORTS.get(scheme, 0)


def _basic(user: str, password: str) -> dict[str, str]:
    """Basic authentication of a client, both parts form-encoded before (RFC 6749, 2.3.1)."""
    from urllib3.util import make_headers  # noqa: PLC0415 - an extra

    pair = f"{quote(user, safe='')}:{quote(password, safe='')}"
    return {"Authorization": make_headers(basic_auth=pair)["authorization"]}


def _lasts(expires_in: object) -> float:
    try:
        return float(str(expires_in))
    except ValueError:
        return _TOKEN_SECONDS


def _refuse_status(url: str, status: int, headers: Mapping[str, str]) -> None:
    """Pass on only what was answered with success.

    Raises:
        PassingFault: If it may be over later.
        BackendUnavailable: If it will not.
    """
    if 200 <= status < 300:
        return
    if status in _PASSING:
        raise PassingFault(f"answered {status}", _retry_after(headers))
    where = _shown(url)
    if 300 <= status < 400:
        raise BackendUnavailable(
            f"{where}: answered {status}, another address, which is not followed as it would get "
            f"the secret; if {_shown(headers.get('location', 'it'))} is right, write that"
        )
    fix = "check auth and what the account may read" if status in {401, 403} else "check the url"
    raise BackendUnavailable(f"{where}: answered {status}; {fix}")


def _retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds that the server asks for, said as a number or as a date; None if it does not."""
    from urllib3.exceptions import InvalidHeader  # noqa: PLC0415 - an extra
    from urllib3.util import Retry  # noqa: PLC0415

    said = headers.get("retry-after")
    try:
        return Retry().parse_retry_after(said) if said else None
    except InvalidHeader:
        return None


def _json(body: bytes) -> object:
    """Numbers stay the text they were, so that no digit is lost."""
    try:
        return json.loads(body, parse_int=str, parse_float=str, parse_constant=str)
    except (ValueError, RecursionError) as error:
        raise PassingFault("answered no JSON") from error


def _shown(url: str) -> str:
    """An address without its query, which may hold a cursor or a key."""
    return urlsplit(url)._replace(query="", fragment="").geturl()
