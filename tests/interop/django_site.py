# SPDX-License-Identifier: MIT
"""A Django site with a user and a login, on a free port of 127.0.0.1: what the servers made with Django share."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from datetime import timedelta
from importlib import import_module
from wsgiref.simple_server import WSGIRequestHandler, make_server

SECRET = "fake-secret"
_APPS = [f"django.contrib.{name}" for name in ("auth", "contenttypes", "messages", "sessions")]
_PROCESSORS = ["django.template.context_processors.request"]
_PROCESSORS += [f"django.contrib.{name}.context_processors.{name}" for name in ("auth", "messages")]
_MIDDLEWARE = [
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
]


class _Silent(WSGIRequestHandler):
    def log_message(self, *_: object) -> None:
        """Log nothing."""


def serve(
    apps: list[str],
    settings: Callable[[int], Mapping[str, object]],
    register: Callable[[object], None],
    routes: Callable[[], list[object]],
    middleware: tuple[str, ...] = (),
) -> None:
    """Print the port, and serve until the process is ended. POST /advance?seconds=60 advances the clock.

    `settings` gets the port, and `register` the user, whose password is `SECRET`.
    """
    server = make_server("127.0.0.1", 0, lambda environment, start: [], handler_class=_Silent)
    templates = {"BACKEND": "django.template.backends.django.DjangoTemplates", "APP_DIRS": True}
    common = {
        "ALLOWED_HOSTS": ["127.0.0.1"],
        "DATABASES": {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
        "DEFAULT_AUTO_FIELD": "django.db.models.BigAutoField",
        "INSTALLED_APPS": [*_APPS, *apps],
        "MIDDLEWARE": [*_MIDDLEWARE, *middleware],
        "ROOT_URLCONF": __name__,
        "SECRET_KEY": SECRET,
        "TEMPLATES": [{**templates, "OPTIONS": {"context_processors": _PROCESSORS}}],
        "USE_TZ": True,
    }
    import_module("django.conf").settings.configure(**common, **settings(server.server_port))
    import_module("django").setup()
    import_module("django.core.management").call_command("migrate", run_syncdb=True, verbosity=0)
    register(import_module("django.contrib.auth").get_user_model().objects.create_superuser("user", password=SECRET))
    globals()["urlpatterns"] = [_clock(), *routes()]
    server.set_app(import_module("django.core.wsgi").get_wsgi_application())
    print(server.server_port, flush=True)
    server.serve_forever()


def _clock() -> object:
    http, timezone, urls = (import_module(f"django.{name}") for name in ("http", "utils.timezone", "urls"))
    now, wall = timezone.now, time.time
    ahead = [0.0]
    vars(timezone)["now"] = lambda: now() + timedelta(seconds=ahead[0])
    vars(time)["time"] = lambda: wall() + ahead[0]

    def advance(request: object) -> object:
        ahead[0] += float(vars(request)["environ"]["QUERY_STRING"].split("=")[1])
        return http.HttpResponse()

    return urls.path("advance", import_module("django.views.decorators.csrf").csrf_exempt(advance))
