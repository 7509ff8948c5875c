"""One identity provider: what it publishes is kept for a while, and asked for again when keys change.

For several threads; who waits for another's request waits no longer than that takes.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import quote_plus, urlencode

from node.config_oidc import Oidc
from node.console.oidc import id_token, keys, metadata
from node.console.oidc.attempt import Attempt
from node.console.oidc.calls import Answer, ask
from node.console.oidc.id_token import Expected
from node.console.oidc.keys import PublicKey
from node.console.oidc.metadata import Metadata
from node.console.oidc.secret import client_secret
from storage.errors import CtnodeError, PeerRefused, Refused, Unavailable

KEPT_S: Final = 3600.0
"""How long what it publishes is kept: a key that it takes back is good for no longer."""
KEYS_AGAIN_S: Final = 60.0
"""For a key that is not known, the keys are asked for again, but not more often."""
DOWN_S: Final = 10.0
"""A provider that did not answer is not asked again sooner: a person may try again, a flood may not."""
CALLBACK: Final = "/login/oidc/callback"
ERROR_CODE: Final = re.compile(r"[a-z_]{1,40}")
NOT_OURS: Final = frozenset({"invalid_client", "unauthorized_client", "invalid_request", "invalid_scope"})
"""What a token endpoint answers where the configuration is wrong (RFC 6749 5.2)."""


class Provider:
    """The provider of one configuration."""

    def __init__(self, section: Oidc) -> None:
        assert section.issuer is not None and section.client_id is not None and section.origin is not None
        self.section = section
        self.issuer, self.client_id = section.issuer, section.client_id
        self.redirect_uri = section.origin + CALLBACK
        self._lock = threading.Lock()
        self._metadata: tuple[float, Metadata] | None = None
        self._keys: tuple[float, list[PublicKey]] | None = None
        self._failed: tuple[float, CtnodeError] | None = None

    def authorization_url(self, attempt: Attempt, now: float) -> str:
        """Where the browser is sent (OpenID Connect Core 1.0, 3.1.2.1). Raises Unavailable, PeerRefused."""
        endpoint = self._published(now).authorization
        asked = {
            "response_type": "code",
            "client_id": self.client_id,
            "redirect_uri": self.redirect_uri,
            "scope": " ".join(dict.fromkeys(["openid", *self.section.scopes])),
            "state": attempt.state,
            "nonce": attempt.nonce,
            "code_challenge": attempt.challenge,
            "code_challenge_method": "S256",
        }
        return f"{endpoint}{'&' if '?' in endpoint else '?'}{urlencode(asked)}"

    def check_issuer(self, said: str | None, now: float) -> None:
        """The `iss` of an answer by the browser (RFC 9207 2.4). Raises Refused."""
        if said is None and not self._published(now).names_itself:
            return
        if said != self.issuer:
            raise Refused("the answer is of another issuer (iss)")

    def claims(self, code: str, attempt: Attempt, now: float) -> Mapping[str, Any]:
        """Who came back with this code: the claims of a checked ID token.

        Raises:
            Unavailable: the provider does not answer.
            PeerRefused: it does not know this console, or its secret.
            Refused: the code or the ID token is not good.
        """
        token = self._exchange(code, attempt, now)
        signer = id_token.signer(token)
        key = self._key(signer.key_id, signer.algorithm, now)
        expected = Expected(issuer=self.issuer, client_id=self.client_id, nonce=attempt.nonce)
        return id_token.checked(token, key, expected, now=now)

    def _exchange(self, code: str, attempt: Attempt, now: float) -> str:
        """The ID token for a code (RFC 6749 4.1.3, RFC 7636 4.5)."""
        published = self._published(now)
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self.redirect_uri,
            "code_verifier": attempt.verifier,
        }
        secret, login = client_secret(self.section), None
        if secret is not None and published.sends_secret_by == metadata.BY_HEADER:
            login = (quote_plus(self.client_id), quote_plus(secret))  # RFC 6749 2.3.1
        else:
            form["client_id"] = self.client_id
            form |= {"client_secret": secret} if secret is not None else {}
        return _token(ask(self.section, published.token, form=form, login=login))

    def _key(self, id: str | None, algorithm: str, now: float) -> PublicKey:
        """The key that signed; the keys are asked for again where it is not among those that are kept."""
        with self._lock:
            known = self._keys
            if known is None or not 0 <= now - known[0] < KEPT_S:
                known = self._keys = (now, self._asked_keys(now))
            found = keys.choose(known[1], id=id, algorithm=algorithm)
            if found is None and now - known[0] >= KEYS_AGAIN_S:
                known = self._keys = (now, self._asked_keys(now))
                found = keys.choose(known[1], id=id, algorithm=algorithm)
        if found is None:
            raise Refused("the ID token is signed by a key that the provider does not publish")
        return found

    def _asked_keys(self, now: float) -> list[PublicKey]:
        answer = ask(self.section, self._known(now).keys)
        if answer.status != 200:
            raise Unavailable(f"the provider's keys: it answers with status {answer.status}")
        return keys.read(answer.document)

    def _published(self, now: float) -> Metadata:
        with self._lock:
            return self._known(now)

    def _known(self, now: float) -> Metadata:
        """With the lock."""
        if self._metadata is not None and 0 <= now - self._metadata[0] < KEPT_S:
            return self._metadata[1]
        if self._failed is not None and 0 <= now - self._failed[0] < DOWN_S:
            raise type(self._failed[1])(str(self._failed[1]))
        try:
            answer = ask(self.section, metadata.address(self.issuer))
            if answer.status != 200:
                raise Unavailable(f"{metadata.address(self.issuer)}: it answers with status {answer.status}")
            found = metadata.read(answer.document, self.issuer)
        except (Unavailable, PeerRefused) as error:
            self._failed = (now, error)
            raise
        self._metadata, self._failed = (now, found), None
        return found


def _token(answer: Answer) -> str:
    if answer.status == 200:
        token = answer.document.get("id_token")
        if not isinstance(token, str):
            raise PeerRefused("the provider gives no ID token: is this client one of OpenID Connect?")
        return token
    code = answer.document.get("error")
    shown = code if isinstance(code, str) and ERROR_CODE.fullmatch(code) else f"status {answer.status}"
    if answer.status == 401 or code in NOT_OURS:
        raise PeerRefused(
            f"the provider refuses this console: {shown}; compare oidc.client_id and its secret"
        )
    if answer.status == 400:
        raise Refused(f"the provider refuses the code: {shown}")
    raise Unavailable(f"the provider gives no token: {shown}")
