# SPDX-License-Identifier: MIT
"""The OpenID Connect provider of django-allauth, with its own pages: see `django_site`.

python -m tests.interop.allauth_server [rotating]
"""

from __future__ import annotations

import sys
from importlib import import_module

from tests.interop.django_site import SECRET, serve

_ROTATING = "rotating" in sys.argv


def _private_key() -> str:
    rsa = import_module("cryptography.hazmat.primitives.asymmetric.rsa")
    form = import_module("cryptography.hazmat.primitives.serialization")
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem: object = key.private_bytes(form.Encoding.PEM, form.PrivateFormat.PKCS8, form.NoEncryption())
    assert isinstance(pem, bytes)
    return pem.decode()


def _settings(_: int) -> dict[str, object]:
    return {
        "ACCOUNT_EMAIL_VERIFICATION": "none",
        "ACCOUNT_RATE_LIMITS": False,
        "AUTHENTICATION_BACKENDS": ["allauth.account.auth_backends.AuthenticationBackend"],
        "IDP_OIDC_PRIVATE_KEY": _private_key(),
        "IDP_OIDC_RATE_LIMITS": False,
        "IDP_OIDC_ROTATE_REFRESH_TOKEN": _ROTATING,
        "LOGIN_URL": "/accounts/login/",
    }


def _register(_: object) -> None:
    for way in ("post", "basic", "none"):
        client = import_module("allauth.idp.oidc.models").Client(
            id=way,
            name=way,
            type="public",  # the others may not use device codes; a public client may have a secret, too
            scopes="openid\noffline_access",
            grant_types="urn:ietf:params:oauth:grant-type:device_code\nrefresh_token",
        )
        client.set_secret(SECRET)
        client.save()


def _routes() -> list[object]:
    urls = import_module("django.urls")
    return [urls.path("accounts/", urls.include("allauth.urls")), urls.path("", urls.include("allauth.idp.urls"))]


if __name__ == "__main__":
    apps = ["allauth", "allauth.account", "allauth.idp.oidc"]
    serve(apps, _settings, _register, _routes, ("allauth.account.middleware.AccountMiddleware",))
