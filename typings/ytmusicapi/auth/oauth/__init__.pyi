# SPDX-License-Identifier: MIT
# The API that this project has, too.

from ytmusicapi.auth.oauth.credentials import OAuthCredentials as OAuthCredentials
from ytmusicapi.auth.oauth.token import OAuthToken as OAuthToken
from ytmusicapi.auth.oauth.token import RefreshingToken as RefreshingToken
