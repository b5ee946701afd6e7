# SPDX-License-Identifier: MIT
"""`make engines`: each recipe for a token store against a real server, while processes are killed, stopped and forked.

From top to bottom: `servers` starts the engines, `worker` is one process that uses a token, `account` is one login with
its processes, `scenarios` is what happens to them, `verdict` finds what was lost, and the event that explains it.
"""
