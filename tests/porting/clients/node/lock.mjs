// SPDX-License-Identifier: MIT
// The lock of a token file, among processes: the kernel's, so that it dies with whoever holds it. (`lock.py`)
//
// It is taken on the token file itself and leaves nothing behind. It is the lock that the Python library takes:
// programs in both languages share a file. Node cannot ask for it by itself. On macOS and the BSDs it comes with
// opening; on Linux the system's own flock(1) is handed the open file, locks it, and ends: the lock belongs to what is
// open, not to who asked. Where there is no lock to be had, nobody waits for one: no file yet, a file system or a
// platform without locks.

import { spawnSync } from "node:child_process";
import * as fs from "node:fs";
import { platform } from "node:process";

import { OAuthError } from "./errors.mjs";

// Seconds.
const TIMEOUT = 10;
const POLL = 0.05;

const { O_RDONLY, O_RDWR, O_NONBLOCK = 0, O_NOCTTY = 0 } = fs.constants;
const O_EXLOCK = ["darwin", "freebsd", "openbsd", "netbsd"].includes(platform) ? 0x20 : 0;

/** Whether there is a lock here at all. */
export const hasLocks = () => O_EXLOCK !== 0 || (platform === "linux" && !spawnSync("flock", ["--version"]).error);

/**
 * Do something with the lock of the token file at `path`; `work` is told whether it has it. Throws a retryable
 * `token_file` when somebody else holds it for `timeout` seconds.
 * @template T @param {(alone: boolean) => T | Promise<T>} work
 * @param {{monotonic: () => number, sleep: (seconds: number) => Promise<void>}} clock
 */
export async function locked(path, { monotonic, sleep }, work, timeout = TIMEOUT) {
  const end = monotonic() + timeout;
  let file;
  while ((file = tryLock(path)) === null) {
    if (monotonic() >= end) {
      const problem = `Somebody else has had the lock of the token file for ${timeout} s`;
      throw new OAuthError("token_file", { problem, path, retryable: true });
    }
    await sleep(POLL);
  }
  try {
    return await work(file !== NO_LOCK);
  } finally {
    if (file !== NO_LOCK) fs.closeSync(file);
  }
}

const NO_LOCK = -1;

/** The open file that is locked now, `NO_LOCK`, or null if somebody else has it. */
function tryLock(path) {
  let file;
  try {
    file = open(path);
  } catch (error) {
    return O_EXLOCK && error.code === "EAGAIN" ? null : NO_LOCK;
  }
  const got = O_EXLOCK ? 0 : spawnSync("flock", ["-n", "3"], { stdio: ["ignore", "ignore", "ignore", file] }).status;
  if (got === 0 && isCurrent(file, path)) return file;
  fs.closeSync(file);
  return got === 0 || got === 1 ? null : NO_LOCK;
}

function open(path) {
  const flags = O_NONBLOCK | O_NOCTTY | O_EXLOCK;
  try { // NFS locks only what is open for writing
    return fs.openSync(path, O_RDWR | flags);
  } catch (error) {
    if (error.code === "EAGAIN") throw error;
    return fs.openSync(path, O_RDONLY | flags);
  }
}

/** Whether the file that was opened is still the one at `path`: the last holder may have replaced it. */
function isCurrent(file, path) {
  const opened = fs.fstatSync(file, { bigint: true });
  const there = fs.statSync(path, { bigint: true, throwIfNoEntry: false });
  return opened.ino === there?.ino && opened.dev === there?.dev;
}
