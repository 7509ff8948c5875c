"""Logging in by the hospital's identity provider: OpenID Connect, Authorization Code Flow with PKCE."""
