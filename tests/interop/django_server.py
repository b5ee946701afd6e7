# SPDX-License-Identifier: MIT
"""The server of django-oauth-toolkit, with its own pages and Django's own login: see `django_site`.

python -m tests.interop.django_server [rotating]
"""

from __future__ import annotations

import sys
from importlib import import_module

from tests.interop.django_site import SECRET, serve

_ROTATING = "rotating" in sys.argv
_WITH_TABLES = ("admin", "auth", "contenttypes", "messages", "sessions", "oauth2_provider")


def _settings(port: int) -> dict[str, object]:
    return {
        "LOGIN_URL": "/admin/login/",
        "MIGRATION_MODULES": dict.fromkeys(_WITH_TABLES),
        "OAUTH2_PROVIDER": {
            "OAUTH_DEVICE_VERIFICATION_URI": f"http://127.0.0.1:{port}/o/device/",
            "REFRESH_TOKEN_REUSE_PROTECTION": True,
            "ROTATE_REFRESH_TOKEN": _ROTATING,
            "SCOPES": {"openid": "Who you are", "offline_access": "While you are away"},
        },
        "STATIC_URL": "/static/",
    }


def _register(user: object) -> None:
    for client_id in ("device", "another"):
        import_module("oauth2_provider.models").Application.objects.create(
            client_id=client_id,
            client_secret=SECRET,
            client_type="confidential",
            authorization_grant_type="urn:ietf:params:oauth:grant-type:device_code",
            name=client_id,
            user=user,
        )


def _routes() -> list[object]:
    http, urls = (import_module(f"django.{name}") for name in ("http", "urls"))
    protected = import_module("oauth2_provider.decorators").protected_resource()
    return [
        urls.path("me", protected(lambda request: http.HttpResponse("user"))),
        urls.path("o/", urls.include("oauth2_provider.urls")),
        urls.path("admin/", import_module("django.contrib.admin").site.urls),
    ]


if __name__ == "__main__":
    serve(["django.contrib.admin", "oauth2_provider"], _settings, _register, _routes)
