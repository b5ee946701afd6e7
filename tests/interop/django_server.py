# SPDX-License-Identifier: MIT
"""The server of django-oauth-toolkit, with its own pages and Django's own login, on a free port of 127.0.0.1.

python -m tests.interop.django_server [rotating]   # prints the port; POST /advance?seconds=60 advances its clock
"""

from __future__ import annotations

import sys
from datetime import timedelta
from importlib import import_module
from wsgiref.simple_server import WSGIRequestHandler, make_server

SECRET = "fake-secret"
_CONTRIB = [f"django.contrib.{name}" for name in ("admin", "auth", "contenttypes", "messages", "sessions")]
_PROCESSORS = ["django.template.context_processors.request"]
_PROCESSORS += [f"django.contrib.{name}.context_processors.{name}" for name in ("auth", "messages")]


class _Silent(WSGIRequestHandler):
    def log_message(self, *_: object) -> None:
        """Log nothing."""


def _configured(rotating: bool, port: int) -> None:
    import_module("django.conf").settings.configure(
        ALLOWED_HOSTS=["127.0.0.1"],
        DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
        DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
        INSTALLED_APPS=[*_CONTRIB, "oauth2_provider"],
        LOGIN_URL="/admin/login/",
        MIDDLEWARE=[
            "django.contrib.sessions.middleware.SessionMiddleware",
            "django.middleware.csrf.CsrfViewMiddleware",
            "django.contrib.auth.middleware.AuthenticationMiddleware",
            "django.contrib.messages.middleware.MessageMiddleware",
        ],
        MIGRATION_MODULES=dict.fromkeys([*(name.rpartition(".")[2] for name in _CONTRIB), "oauth2_provider"]),
        OAUTH2_PROVIDER={
            "OAUTH_DEVICE_VERIFICATION_URI": f"http://127.0.0.1:{port}/o/device/",
            "REFRESH_TOKEN_REUSE_PROTECTION": True,
            "ROTATE_REFRESH_TOKEN": rotating,
            "SCOPES": {"openid": "Who you are", "offline_access": "While you are away"},
        },
        ROOT_URLCONF=__name__,
        SECRET_KEY=SECRET,
        STATIC_URL="/static/",
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
    user = import_module("django.contrib.auth").get_user_model().objects.create_superuser("user", password=SECRET)
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
    http, timezone, urls = (import_module(f"django.{name}") for name in ("http", "utils.timezone", "urls"))
    now = timezone.now
    ahead = [timedelta()]
    vars(timezone)["now"] = lambda: now() + ahead[0]

    def advance(request: object) -> object:
        ahead.append(ahead.pop() + timedelta(seconds=float(vars(request)["environ"]["QUERY_STRING"].split("=")[1])))
        return http.HttpResponse()

    protected = import_module("oauth2_provider.decorators").protected_resource()
    return [
        urls.path("advance", import_module("django.views.decorators.csrf").csrf_exempt(advance)),
        urls.path("me", protected(lambda request: http.HttpResponse("user"))),
        urls.path("o/", urls.include("oauth2_provider.urls")),
        urls.path("admin/", import_module("django.contrib.admin").site.urls),
    ]


def main(rotating: bool) -> None:
    """Serve until the process is ended."""
    server = make_server("127.0.0.1", 0, lambda environment, start: [], handler_class=_Silent)
    _configured(rotating, server.server_port)
    globals()["urlpatterns"] = _routes()
    server.set_app(import_module("django.core.wsgi").get_wsgi_application())
    print(server.server_port, flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main("rotating" in sys.argv)
