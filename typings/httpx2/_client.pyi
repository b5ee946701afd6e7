# SPDX-License-Identifier: MIT
# The slice of httpx2 that tells what stands for its client's own setting.

class UseClientDefault: ...
