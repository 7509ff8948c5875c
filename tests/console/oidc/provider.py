"""An identity provider in a test's hands: honest, until a test says otherwise.

It shares nothing with what it judges: signatures are made by `cryptography`, PKCE is checked by `hashlib`.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final
from urllib.parse import parse_qs, parse_qsl, unquote_plus, urlencode, urlsplit

from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256

CLIENT_ID: Final = "ctnode"
SECRET: Final = "s3cret: with spaces & signs"
Claims = dict[str, Any]


def b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def number(value: int) -> str:
    return b64(value.to_bytes((value.bit_length() + 7) // 8))


def signed(header: Claims, claims: Claims | bytes, sign: Callable[[bytes], bytes]) -> str:
    """A compact JWS (RFC 7515 7.1)."""
    payload = claims if isinstance(claims, bytes) else json.dumps(claims).encode()
    head = f"{b64(json.dumps(header).encode())}.{b64(payload)}"
    return f"{head}.{b64(sign(head.encode()))}"


def by_secret(secret: bytes) -> Callable[[bytes], bytes]:
    """Of a JWS that is signed with a shared secret (HS256)."""
    return lambda data: hmac.new(secret, data, hashlib.sha256).digest()


@dataclass(kw_only=True)
class Key:
    """A key that signs, by one algorithm."""

    id: str
    algorithm: str = "RS256"
    bits: int = 2048
    private: Any = field(init=False)

    def __post_init__(self) -> None:
        is_curve = self.algorithm == "ES256"
        self.private = (
            ec.generate_private_key(ec.SECP256R1())
            if is_curve
            else rsa.generate_private_key(65537, self.bits)
        )

    def jwk(self) -> Claims:
        numbers = self.private.public_key().public_numbers()
        told = {"kid": self.id, "use": "sig", "alg": self.algorithm}
        if self.algorithm == "ES256":
            x, y = (b64(value.to_bytes(32)) for value in (numbers.x, numbers.y))
            return told | {"kty": "EC", "crv": "P-256", "x": x, "y": y}
        return told | {"kty": "RSA", "n": number(numbers.n), "e": number(numbers.e)}

    def sign(self, data: bytes) -> bytes:
        if self.algorithm == "ES256":
            r, s = decode_dss_signature(self.private.sign(data, ec.ECDSA(SHA256())))
            return bytes(r.to_bytes(32) + s.to_bytes(32))
        salted = padding.PSS(padding.MGF1(SHA256()), 32) if self.algorithm == "PS256" else padding.PKCS1v15()
        return bytes(self.private.sign(data, salted, SHA256()))

    def token(self, claims: Claims) -> str:
        return signed({"alg": self.algorithm, "kid": self.id, "typ": "JWT"}, claims, self.sign)


KEY: Final = Key(id="first")
"""One for all tests: an RSA key takes its time."""


@dataclass(kw_only=True)
class Provider:
    """What it says; a test changes it."""

    port: int
    keys: list[Key] = field(default_factory=lambda: [KEY])
    person: Claims = field(default_factory=lambda: {"sub": "4711", "preferred_username": "anna"})
    lies: Claims = field(default_factory=dict)  # over the claims that would be right; None leaves one out
    token: Callable[[Claims], str] | None = None  # instead of a token that the first key signed
    says: Claims = field(default_factory=dict)  # over what it publishes of itself
    instead: dict[str, Callable[[], tuple[int, bytes]]] = field(default_factory=dict)  # path -> answer
    asked: list[str] = field(default_factory=list)  # paths, in their order
    codes: dict[str, Claims] = field(default_factory=dict)  # code -> what was asked for
    logged_in_by: list[str] = field(default_factory=list)  # how the client showed its secret

    @property
    def issuer(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def published(self) -> Claims:
        endpoints = {"authorization_endpoint": "authorize", "token_endpoint": "token", "jwks_uri": "jwks"}
        addresses = {name: f"{self.issuer}/{path}" for name, path in endpoints.items()}
        return {"issuer": self.issuer} | addresses | self.says

    def authorize(self, asked: Claims) -> str:
        """Where the browser is sent back to; the person has said yes."""
        code = b64(hashlib.sha256(f"{asked['state']} {len(self.codes)}".encode()).digest())
        self.codes[code] = asked
        return f"{asked['redirect_uri']}?{urlencode({'code': code, 'state': asked['state']})}"

    def exchange(self, form: Claims, authorization: str) -> tuple[int, Claims]:
        if not self._is_the_client(form, authorization):
            return 401, {"error": "invalid_client"}
        asked = self.codes.pop(form.get("code", ""), None)
        if asked is None or form["redirect_uri"] != asked["redirect_uri"]:
            return 400, {"error": "invalid_grant"}
        if b64(hashlib.sha256(form["code_verifier"].encode()).digest()) != asked["code_challenge"]:
            return 400, {"error": "invalid_grant"}
        return 200, {"token_type": "Bearer", "access_token": "x", "id_token": self.id_token(asked["nonce"])}

    def _is_the_client(self, form: Claims, authorization: str) -> bool:
        if authorization.startswith("Basic "):
            self.logged_in_by.append("header")
            name, _, secret = base64.b64decode(authorization[6:]).decode().partition(":")
            return (unquote_plus(name), unquote_plus(secret)) == (CLIENT_ID, SECRET)
        self.logged_in_by.append("form" if "client_secret" in form else "nothing")
        return form.get("client_id") == CLIENT_ID and form.get("client_secret") in (SECRET, None)

    def id_token(self, nonce: str) -> str:
        now = int(time.time())
        right = {"iss": self.issuer, "aud": CLIENT_ID, "iat": now, "exp": now + 300, "nonce": nonce}
        claims = {k: v for k, v in (right | self.person | self.lies).items() if v is not None}
        return self.token(claims) if self.token is not None else self.keys[0].token(claims)


def _handler(provider: Provider) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path, asked = self._path()
            if path in provider.instead:
                self._say(*provider.instead[path]())
            elif path == "/.well-known/openid-configuration":
                self._say(200, json.dumps(provider.published()).encode())
            elif path == "/jwks":
                self._say(200, json.dumps({"keys": [key.jwk() for key in provider.keys]}).encode())
            elif path == "/authorize":
                self._say(302, b"", location=provider.authorize(asked))
            else:
                self._say(404, b"{}")

        def do_POST(self) -> None:
            path, _ = self._path()
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            if path in provider.instead:
                self._say(*provider.instead[path]())
                return
            status, answer = provider.exchange(dict(parse_qsl(body)), self.headers.get("Authorization", ""))
            self._say(status, json.dumps(answer).encode())

        def _path(self) -> tuple[str, Claims]:
            parts = urlsplit(self.path)
            provider.asked.append(parts.path)
            return parts.path, {name: values[0] for name, values in parse_qs(parts.query).items()}

        def _say(self, status: int, body: bytes, *, location: str = "") -> None:
            self.send_response(status)
            if location:
                self.send_header("Location", location)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            try:
                self.wfile.write(body)
            except OSError:  # who asked has heard enough
                self.close_connection = True

        def log_message(self, format: str, *args: object) -> None:
            """Silent."""

    return Handler


@contextmanager
def providing() -> Iterator[Provider]:
    """A provider on a port of its own."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler)
    provider = Provider(port=server.server_port)
    server.RequestHandlerClass = _handler(provider)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield provider
    finally:
        server.shutdown()
        server.server_close()
        thread.join(10)
