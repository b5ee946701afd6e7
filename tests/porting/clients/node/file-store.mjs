// SPDX-License-Identifier: MIT
// The token file as a token store: read strictly, written as a whole, readable only by its owner. (`_file_store.py`)
//
// A new file is written beside the old one, made private before its first byte, synced, and renamed over it, so that a
// crash at any moment leaves the old file or the new one. Only where a rename cannot work is the file written in place.

import { randomBytes } from "node:crypto";
import * as fs from "node:fs";
import { basename, dirname, join, resolve } from "node:path";

import { OAuthError } from "./errors.mjs";
import { acquire, targetOf } from "./file-lock.mjs";
import { parseTokenText } from "./state.mjs";

const { O_RDONLY, O_WRONLY, O_RDWR, O_CREAT, O_EXCL, O_NONBLOCK = 0, O_NOCTTY = 0 } = fs.constants;
// Bytes; a token file has about five hundred.
const LARGEST_FILE = 2 ** 21;
// A FIFO must not block us, nor a terminal become our controlling terminal.
const OPEN_FLAGS = O_NONBLOCK | O_NOCTTY;
const NO_RENAME = new Set(["EACCES", "EPERM", "EROFS", "EBUSY", "EXDEV"]);
// Errors that mean "this file system does not sync".
const NO_SYNC = new Set(["EINVAL", "EPERM", "EACCES", "EROFS", "ENOSYS", "ENOTSUP"]);
// The names of temporary files: the beginning of the file's name, so that the longest one fits, and this. They are
// those of the Python library, and either removes what the other left.
const TEMPORARY = /^\.ytmusic_oauth-[0-9a-f]{16}\.tmp$/;
const PREFIX = 24;
// Milliseconds after which a temporary file was left by a writer that was killed.
const LEFTOVER = 3600_000;

/** A token file. A symbolic link is followed. Methods throw `token_file` errors. */
export class FileStore {
  #absolute;

  /** @param {string} path */
  constructor(path) {
    this.path = path;
    this.#absolute = resolve(path);
  }

  /** Return the content; null if there is no file, or if it is empty. @returns {?string} */
  read() {
    const content = this.#reporting("read", () => {
      let file;
      try {
        file = fs.openSync(this.#absolute, O_RDONLY | OPEN_FLAGS);
      } catch (error) {
        if (error.code === "ENOENT") return null;
        throw error;
      }
      try {
        this.#checkRegular(fs.fstatSync(file));
        return readUpTo(file, LARGEST_FILE + 1);
      } finally {
        fs.closeSync(file);
      }
    });
    if (content === null) return null;
    if (content.length > LARGEST_FILE) throw this.#failed("Too large to be a token file");
    let text;
    try {
      text = new TextDecoder("utf-8", { fatal: true }).decode(content);
    } catch {
      throw this.#failed("Not a token: it is not UTF-8");
    }
    // Created by `touch`, for example to be mounted into a container; or the zeros that a crash leaves.
    return /^[\0\t-\r ]*$/.test(text) ? null : text;
  }

  /** Compare and swap, mode 0600, all or nothing. Compares just before the rename. */
  replace(before, after) {
    return this.#reporting("written", () => {
      const target = targetOf(this.#absolute);
      const status = fs.statSync(target, { throwIfNoEntry: false });
      if (status) this.#checkRegular(status);
      const content = Buffer.from(after);
      try {
        const isSwapped = withTemporaryFile(target, content, status, (temporary) => {
          if (this.read() !== before) return false;
          fs.renameSync(temporary, target);
          return true;
        });
        if (isSwapped) syncFolder(target);
        return isSwapped;
      } catch (error) {
        if (!status || !NO_RENAME.has(error.code)) throw error;
      }
      if (this.read() !== before) return false;
      writeInPlace(target, content, status.size);
      return true;
    });
  }

  /** Hold the file's lock, a kernel lock that is released when its holder dies. */
  async lock(timeout) {
    const lock = await this.#reporting("locked", () => acquire(this.#absolute, timeout));
    if (lock?.isExclusive) ignoringErrors(() => removeLeftovers(targetOf(this.#absolute)));
    return lock && { until: Infinity, release: lock.release };
  }

  /** Throw if a login could not be stored: it is not a token file, the disk is full, or permission is missing. */
  checkWritable() {
    const text = this.read();
    try {
      if (text !== null) parseTokenText(text);
    } catch (error) {
      throw error instanceof OAuthError ? error.with({ path: this.path }, "token_file") : error;
    }
    this.prepare();
  }

  /** Throw if the next `replace` would fail: because the disk is full, say. */
  prepare() {
    this.#reporting("written", () => {
      const target = targetOf(this.#absolute);
      const status = fs.statSync(target, { throwIfNoEntry: false });
      try {
        const size = Math.min(Math.max(4096, status?.size ?? 0), LARGEST_FILE);
        withTemporaryFile(target, Buffer.alloc(size, " "), status, (temporary) => {
          if (!status || canWriteInPlace(target)) return;
          fs.unlinkSync(temporary);
          fs.linkSync(target, temporary); // fails for a file that is mounted by itself, or immutable
        });
      } catch (error) {
        if (!status || !NO_RENAME.has(error.code)) throw error;
        fs.closeSync(openInPlace(target));
      }
    });
  }

  /** Run `work`, and turn the errors of the file system into our own. @template T @param {() => T} work @returns {T} */
  #reporting(done, work) {
    const translated = (error) =>
      (error.syscall ? this.#failed(`The token file cannot be ${done} (${error.code})`) : error);
    try {
      const result = work();
      if (result instanceof Promise) return /** @type {any} */ (result.catch((error) => { throw translated(error); }));
      return result;
    } catch (error) {
      throw translated(error);
    }
  }

  #checkRegular(status) {
    if (!status.isFile()) throw this.#failed("Not a regular file");
  }

  #failed(problem) {
    return new OAuthError("token_file", { problem, path: this.path });
  }
}

/** Create a private temporary file with the content, and run `work` with its name. It is removed, unless renamed. */
function withTemporaryFile(target, content, before, work) {
  const name = `${basename(target).slice(0, PREFIX)}.ytmusic_oauth-${randomBytes(8).toString("hex")}.tmp`;
  const temporary = join(dirname(target), name);
  try {
    const file = fs.openSync(temporary, O_WRONLY | O_CREAT | O_EXCL | OPEN_FLAGS, 0o600);
    try {
      makePrivate(file); // an unusual umask may have removed our own permissions
      if (before && before.uid !== 0 && process.geteuid?.() === 0) fs.fchownSync(file, before.uid, before.gid);
      write(file, content);
    } finally {
      fs.closeSync(file);
    }
    return work(temporary);
  } finally {
    ignoringErrors(() => fs.unlinkSync(temporary));
  }
}

/** Remove old temporary files of this token file. The lock must be held. */
function removeLeftovers(target) {
  const prefix = basename(target).slice(0, PREFIX);
  for (const name of fs.readdirSync(dirname(target))) {
    if (!name.startsWith(prefix) || !TEMPORARY.test(name.slice(prefix.length))) continue;
    const path = join(dirname(target), name);
    const status = fs.lstatSync(path);
    if (status.isFile() && status.mtimeMs < Date.now() - LEFTOVER) fs.unlinkSync(path);
  }
}

const openInPlace = (target) => fs.openSync(target, O_RDWR | OPEN_FLAGS);

function canWriteInPlace(target) {
  try {
    fs.closeSync(openInPlace(target));
    return true;
  } catch {
    return false;
  }
}

function writeInPlace(target, content, size) {
  const file = openInPlace(target);
  try {
    const before = readUpTo(file, size);
    makePrivate(file);
    try {
      // Write padded to the old length, then truncate: in between, the file is the new token followed by spaces.
      write(file, Buffer.concat([content, Buffer.alloc(Math.max(0, size - content.length), " ")]));
      fs.ftruncateSync(file, content.length);
    } catch (error) { // the disk is full
      ignoringErrors(() => write(file, before));
      fs.ftruncateSync(file, size);
      throw error;
    }
  } finally {
    fs.closeSync(file);
  }
}

// Fails for another user's file that we may write, and on a file system without modes.
const makePrivate = (file) => ignoringErrors(() => fs.fchmodSync(file, 0o600));

function readUpTo(file, limit) {
  const content = Buffer.alloc(limit);
  let size = 0, count;
  while (size < limit && (count = fs.readSync(file, content, size, limit - size, size)) > 0) size += count;
  return content.subarray(0, size);
}

function write(file, content) {
  for (let at = 0; at < content.length;) at += fs.writeSync(file, content, at, content.length - at, at);
  sync(file);
}

/** Make a rename durable. Without this, a power cut brings the old file back. */
function syncFolder(target) {
  if (process.platform === "win32") return;
  let folder;
  try {
    folder = fs.openSync(dirname(target), O_RDONLY);
  } catch { // a folder that we may not list
    return;
  }
  try {
    sync(folder);
  } finally {
    fs.closeSync(folder);
  }
}

function sync(file) {
  try {
    fs.fsyncSync(file);
  } catch (error) {
    if (!NO_SYNC.has(error.code)) throw error;
  }
}

function ignoringErrors(work) {
  try {
    work();
  } catch (error) {
    if (!error.syscall) throw error;
  }
}
