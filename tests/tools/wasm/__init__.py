# SPDX-License-Identifier: MIT
"""The tests in WebAssembly: `make test-wasm`."""
