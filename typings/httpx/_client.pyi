# SPDX-License-Identifier: MIT
# The slice of httpx that tells what stands for its client's own setting.

class UseClientDefault: ...
