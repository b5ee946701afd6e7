# SPDX-License-Identifier: MIT
"""The OpenID Connect provider of django-allauth, with its own pages, on a free port of 127.0.0.1.

python -m tests.interop.allauth_server [rotating]   # prints the port; POST /advance?seconds=60 advances its clock
"""

from __future__ import annotations

import sys
import time
from datetime import timedelta
from importlib import import_module
from wsgiref.simple_server import WSGIRequestHandler, make_server

SECRET = "fake-secret"
_APPS = [*(f"django.contrib.{name}" for name in ("auth", "contenttypes", "messages", "sessions"))]
_APPS += ["allauth", "allauth.account", "allauth.idp.oidc"]
_PROCESSORS = ["django.template.context_processors.request", "django.contrib.auth.context_processors.auth"]
_PROCESSORS += ["django.contrib.messages.context_processors.messages"]


class _Silent(WSGIRequestHandler):
    def log_message(self, *_: object) -> None:
        """Log nothing."""


def _private_key() -> str:
    rsa = import_module("cryptography.hazmat.primitives.asymmetric.rsa")
    form = import_module("cryptography.hazmat.primitives.serialization")
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem: object = key.private_bytes(form.Encoding.PEM, form.PrivateFormat.PKCS8, form.NoEncryption())
    assert isinstance(pem, bytes)
    return pem.decode()


def _configured(rotating: bool) -> None:
    import_module("django.conf").settings.configure(
        ACCOUNT_EMAIL_VERIFICATION="none",
        ACCOUNT_RATE_LIMITS=False,
        ALLOWED_HOSTS=["127.0.0.1"],
        AUTHENTICATION_BACKENDS=["allauth.account.auth_backends.AuthenticationBackend"],
        DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
        DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
        IDP_OIDC_PRIVATE_KEY=_private_key(),
        IDP_OIDC_RATE_LIMITS=False,
        IDP_OIDC_ROTATE_REFRESH_TOKEN=rotating,
        INSTALLED_APPS=_APPS,
        LOGIN_URL="/accounts/login/",
        MIDDLEWARE=[
            "django.contrib.sessions.middleware.SessionMiddleware",
            "django.middleware.csrf.CsrfViewMiddleware",
            "django.contrib.auth.middleware.AuthenticationMiddleware",
            "django.contrib.messages.middleware.MessageMiddleware",
            "allauth.account.middleware.AccountMiddleware",
        ],
        ROOT_URLCONF=__name__,
        SECRET_KEY=SECRET,
        TEMPLATES=[
            {
                "BACKEND": "django.template.backends.django.DjangoTemplates",
                "APP_DIRS": True,
                "OPTIONS": {"context_processors": _PROCESSORS},
            }
        ],
        USE_TZ=True,
    )
    import_module("django").setup()
    import_module("django.core.management").call_command("migrate", run_syncdb=True, verbosity=0)
    import_module("django.contrib.auth").get_user_model().objects.create_user("user", password=SECRET)
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
    http, timezone, urls = (import_module(f"django.{name}") for name in ("http", "utils.timezone", "urls"))
    now, wall = timezone.now, time.time
    ahead = [0.0]
    vars(timezone)["now"] = lambda: now() + timedelta(seconds=ahead[0])
    vars(time)["time"] = lambda: wall() + ahead[0]

    def advance(request: object) -> object:
        ahead[0] += float(vars(request)["environ"]["QUERY_STRING"].split("=")[1])
        return http.HttpResponse()

    return [
        urls.path("advance", import_module("django.views.decorators.csrf").csrf_exempt(advance)),
        urls.path("accounts/", urls.include("allauth.urls")),
        urls.path("", urls.include("allauth.idp.urls")),
    ]


def main(rotating: bool) -> None:
    """Serve until the process is ended."""
    server = make_server("127.0.0.1", 0, lambda environment, start: [], handler_class=_Silent)
    _configured(rotating)
    globals()["urlpatterns"] = _routes()
    server.set_app(import_module("django.core.wsgi").get_wsgi_application())
    print(server.server_port, flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main("rotating" in sys.argv)
