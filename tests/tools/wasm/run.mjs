// SPDX-License-Identifier: MIT
// The tests in WebAssembly: `node run.mjs PYODIDE PYTHON`, as `make test-wasm` calls it.
//
// PYODIDE is the folder of the npm package, PYTHON one that has pytest: its packages are lent to Pyodide, which needs no
// network then, and it runs the fake server, because nobody can listen in here. Pyodide sees the project itself, and
// writes to a file system in its own memory. What the exit status says is pytest's.

import { execFileSync, spawn, spawnSync } from "node:child_process";
import { dirname, resolve } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath, pathToFileURL } from "node:url";

const [pyodide, python] = process.argv.slice(2);
const project = resolve(dirname(fileURLToPath(import.meta.url)), "../../..");
const packages = execFileSync(python, ["-c", "import sysconfig; print(sysconfig.get_path('purelib'))"]).toString().trim();

// A request from inside, where Python cannot wait for a promise: another Node asks, and this one waits for it.
const ASK = `
  const [url, body, headers] = JSON.parse(require("node:fs").readFileSync(0));
  fetch(url, { method: "POST", body, headers, redirect: "manual" })
    .then(async (answer) => [answer.status, Object.fromEntries(answer.headers), await answer.text()])
    .then((answer) => console.log(JSON.stringify(answer)));
`;
function post(url, body, headers) {
  const asked = spawnSync(process.execPath, ["-e", ASK], { input: JSON.stringify([url, body, JSON.parse(headers)]) });
  if (asked.status !== 0) throw new Error("no answer");
  return asked.stdout.toString();
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
    # Capture by file descriptors takes more than there is.
    how = ["-q", "-p", "no:cacheprovider", "-p", "tests.tools.wasm.plugin", "--capture=sys"]
    nobody_is_root = "tests/test_file_store.py::test_when_root_writes_the_owner_stays"
    int(pytest.main([*how, "--deselect", nobody_is_root, "tests/tools/wasm/promises.py", "tests"]))
  `);
} catch (error) {
  // What Node would print of it is a megabyte of the generated source.
  console.error(String(error).slice(0, 2000));
  process.exitCode = 1;
} finally {
  server.kill();
}
