# SPDX-License-Identifier: MIT
# The slice of keyring that a keyring in memory is made of.

class KeyringBackend:
    priority: float
    def get_password(self, service: str, username: str) -> str | None: ...
    def set_password(self, service: str, username: str, password: str) -> None: ...
