# SPDX-License-Identifier: MIT
"""Recipes for programs that send requests: a header for each, and one more try after a 401.

A server may reject a token that has not expired: the user has changed the password, another program has refreshed it,
or a clock is wrong. Each recipe then refreshes the token and sends the request again, once. `token.refresh(rejected)`
sees to it that concurrent requests share one refresh. If the refresh fails, its `OAuthError` is raised.

A request that is redirected to another server goes there without the header, and is not sent again.
"""
