# SPDX-License-Identifier: MIT
# The slice of psycopg 3 that tells that a lock is taken.

from psycopg import Error

class LockNotAvailable(Error): ...
