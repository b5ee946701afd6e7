// SPDX-License-Identifier: MIT
// Run the tests in WebAssembly: `node run.mjs PYODIDE PYTHON`, as `make test-wasm` calls it.
//
// PYODIDE is the folder of the npm package. PYTHON is an interpreter that has pytest: Pyodide uses its packages, so that it
// needs no network, and it runs the fake server, because WebAssembly has no listening sockets. Pyodide reads the project
// from the disk, and writes to a file system in memory. The exit status is pytest's.

import { execFileSync, spawn, spawnSync } from "node:child_process";
import { dirname, resolve } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath, pathToFileURL } from "node:url";

const [pyodide, python] = process.argv.slice(2);
const project = resolve(dirname(fileURLToPath(import.meta.url)), "../../..");
const packages = execFileSync(python, ["-c", "import sysconfig; print(sysconfig.get_path('purelib'))"]).toString().trim();

// Python inside Pyodide cannot wait for a promise. So another Node sends the request, and this one blocks.
const SEND = `
  const [url, body, headers] = JSON.parse(require("node:fs").readFileSync(0));
  fetch(url, { method: "POST", body, headers, redirect: "manual" })
    .then(async (response) => [response.status, Object.fromEntries(response.headers), await response.text()])
    .then((parts) => console.log(JSON.stringify(parts)));
`;
function post(url, body, headers) {
  const done = spawnSync(process.execPath, ["-e", SEND], { input: JSON.stringify([url, body, JSON.parse(headers)]) });
  if (done.status !== 0) throw new Error("no response");
  return done.stdout.toString();
}

const options = ["--interval", "1", "--approve-after", "1", "--rotate", "--dialect", "rfc"];
const server = spawn(python, [`${project}/tests/porting/fake_google.py`, ...options], { stdio: ["ignore", "pipe", "inherit"] });
const { value: line } = await createInterface(server.stdout)[Symbol.asyncIterator]().next();
const url = new URL(line.split(/ +/).at(-1)).origin;

try {
  const { loadPyodide } = await import(pathToFileURL(resolve(pyodide, "pyodide.mjs")));
  const wasm = await loadPyodide({ env: { HOME: "/home/pyodide", PYTEST_DISABLE_PLUGIN_AUTOLOAD: "1" } });
  wasm.mountNodeFS("/project", project);
  wasm.mountNodeFS("/packages", packages);
  wasm.registerJsModule("host", { post, url });
  process.exitCode = wasm.runPython(`
    import os, sys

    sys.dont_write_bytecode = True
    sys.path[:0] = ["/project", "/packages"]
    os.chdir("/project")

    import pytest

    print("Python", sys.version.split()[0], "on", sys.platform)
    # WebAssembly lacks what capturing by file descriptors needs.
    options = ["-q", "-p", "no:cacheprovider", "-p", "tests.tools.wasm.plugin", "--capture=sys"]
    needs_root = "tests/test_file_store.py::test_when_root_writes_the_owner_stays"
    int(pytest.main([*options, "--deselect", needs_root, "tests/tools/wasm/promises.py", "tests"]))
  `);
} catch (error) {
  // Node would also print a megabyte of generated source.
  console.error(String(error).slice(0, 2000));
  process.exitCode = 1;
} finally {
  server.kill();
}
