# SPDX-License-Identifier: MIT
# The slice of requests that tells what ytmusicapi raises.

from requests import RequestException

class JSONDecodeError(RequestException): ...
