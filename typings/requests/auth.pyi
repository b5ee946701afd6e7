# SPDX-License-Identifier: MIT
from requests import PreparedRequest

class AuthBase:
    def __call__(self, r: PreparedRequest) -> PreparedRequest: ...
