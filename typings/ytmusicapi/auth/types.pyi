# SPDX-License-Identifier: MIT
# The slice of ytmusicapi that tells how somebody is logged in.

from enum import Enum

class AuthType(int, Enum):
    OAUTH_CUSTOM_CLIENT = ...
    OAUTH_CUSTOM_FULL = ...
