# SPDX-License-Identifier: MIT
"""Run the tests in WebAssembly: `make test-wasm`."""
