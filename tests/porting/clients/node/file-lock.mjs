// SPDX-License-Identifier: MIT
// An inter-process lock on a token file: a kernel lock, released when its holder dies. (`_file_lock.py`)
//
// It locks the token file itself; with no file yet, its folder. It is the same lock as the Python library's, so that
// programs in both languages can share a file. Node cannot lock a file. On macOS and the BSDs, opening the file can; on
// Linux, flock(1) inherits the open file, locks it and exits: the lock belongs to the open file, not to the process.
// Where locking is impossible, on a file system or platform without locks, callers proceed without it. Any other
// failure is thrown: "could not lock" is not "there are no locks".

import { spawnSync } from "node:child_process";
import * as fs from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import { platform } from "node:process";

import { SYSTEM } from "./system.mjs";

// Seconds between two tries.
const POLL = 0.05;
// Errors that mean "this file cannot be opened at all": then it cannot be read or written either.
const NO_FILE = new Set(["ENOENT", "ENOTDIR", "EACCES", "EPERM", "EROFS"]);
// Errors of O_EXLOCK that mean "this file system has no locks".
const NO_LOCKS = new Set(["ENOLCK", "ENOSYS", "EOPNOTSUPP", "ENOTSUP", "EINVAL"]);
// Exit status of flock(1): 1 means "held by another process"; any other failure, "this file system has no locks".
const TAKEN = 1;

const { O_RDONLY, O_RDWR, O_NONBLOCK = 0, O_NOCTTY = 0 } = fs.constants;
const O_EXLOCK = ["darwin", "freebsd", "openbsd", "netbsd"].includes(platform) ? 0x20 : 0;

/** Whether locking is possible on this system. */
export const hasLocks = () => O_EXLOCK !== 0 || (platform === "linux" && !spawnSync("flock", ["--version"]).error);

/**
 * Take the lock of the token file at `path`. Null if another process keeps it for `timeout` seconds. `isExclusive` is
 * false if locking is not possible here.
 * @returns {Promise<?{isExclusive: boolean, release: () => void}>}
 */
export async function acquire(path, timeout) {
  const deadline = SYSTEM.monotonic() + timeout;
  let file;
  while ((file = tryLock(path)) === null) {
    if (SYSTEM.monotonic() >= deadline) return null;
    await SYSTEM.sleep(POLL);
  }
  if (file === NO_LOCK) return { isExclusive: false, release() {} };
  return { isExclusive: true, release: () => fs.closeSync(file) };
}

/** Return the file that a path leads to, even if it does not exist yet. */
export function targetOf(path) {
  try {
    return fs.realpathSync(path);
  } catch (error) {
    if (error.code !== "ENOENT") throw error;
  }
  let link;
  try {
    link = fs.readlinkSync(path);
  } catch {
    return join(fs.realpathSync(dirname(path)), basename(path));
  }
  return targetOf(resolve(dirname(path), link));
}

const NO_LOCK = -1;

/** Return the open file with its lock, `NO_LOCK`, or null if another process holds the lock. */
function tryLock(path) {
  let file;
  try {
    file = open(path);
  } catch (error) {
    if (error.code === "EAGAIN") return null; // with O_EXLOCK; and a file lease (fcntl F_SETLEASE)
    if (NO_FILE.has(error.code) || (O_EXLOCK && NO_LOCKS.has(error.code))) return NO_LOCK;
    throw error;
  }
  let lock = null;
  try {
    const status = O_EXLOCK ? 0 : flock(file);
    if (status === 0 && isCurrent(file, path)) lock = file;
    else if (status !== 0 && status !== TAKEN) lock = NO_LOCK;
  } finally {
    if (lock !== file) fs.closeSync(file);
  }
  return lock;
}

function open(path) {
  const flags = O_NONBLOCK | O_NOCTTY | O_EXLOCK;
  try { // NFS locks only files that are open for writing
    return fs.openSync(path, O_RDWR | flags);
  } catch (error) {
    if (error.code === "ENOENT") return fs.openSync(dirname(targetOf(path)), O_RDONLY | flags);
    if (![...NO_FILE, "EISDIR", "ETXTBSY"].includes(error.code)) throw error;
    return fs.openSync(path, O_RDONLY | flags);
  }
}

/** Run flock(1) on an open file, and return its exit status. */
function flock(file) {
  const { status, error } = spawnSync("flock", ["-n", "3"], { stdio: ["ignore", "ignore", "ignore", file] });
  if (error && /** @type {NodeJS.ErrnoException} */ (error).code !== "ENOENT") throw error;
  return error ? NO_LOCK : status;
}

/** Whether the opened file is still the one at `path`: the last holder may have replaced or created it. */
function isCurrent(file, path) {
  const opened = fs.fstatSync(file, { bigint: true });
  const current = fs.statSync(path, { bigint: true, throwIfNoEntry: false });
  return current ? opened.ino === current.ino && opened.dev === current.dev : opened.isDirectory();
}
