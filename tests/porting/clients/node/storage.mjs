// SPDX-License-Identifier: MIT
// The token file: read strictly, written whole, and for its owner's eyes only. (`storage.py`)
//
// A new one is written beside it, private before its first byte, synced, and renamed over it, so that a crash at any
// moment leaves the old file or the new one. Where a rename cannot work, and only there, it is written in place.

import { randomBytes } from "node:crypto";
import * as fs from "node:fs";
import { dirname, join, basename, resolve } from "node:path";

import { OAuthError } from "./errors.mjs";
import { asciiJson, jsonObject } from "./json.mjs";
import { EntryError, tokenDict } from "./kinds.mjs";

const { O_RDONLY, O_WRONLY, O_RDWR, O_CREAT, O_EXCL, O_NONBLOCK = 0, O_NOCTTY = 0 } = fs.constants;
// Bytes. A token file has some five hundred.
const LARGEST_FILE = 2 ** 20;
// A FIFO must not make us wait, nor a terminal become ours.
const SAFELY = O_NONBLOCK | O_NOCTTY;
const NO_RENAME = new Set(["EACCES", "EPERM", "EROFS", "EBUSY", "EXDEV"]);

/** Read a token file. Unknown keys and a byte order mark are ignored. @returns {import("./kinds.mjs").TokenDict} */
export function readToken(path) {
  const content = told(path, "read", () => {
    const file = fs.openSync(path, O_RDONLY | SAFELY);
    try {
      regular(path, fs.fstatSync(file));
      return readUpTo(file, LARGEST_FILE + 1);
    } finally {
      fs.closeSync(file);
    }
  });
  if (/^[\t-\r ]*$/.test(content.toString("latin1"))) { // made by `touch`, or to be mounted into a container
    throw new OAuthError("token_file_not_found", { problem: "The token file is empty", path });
  }
  if (content.length > LARGEST_FILE) {
    throw new OAuthError("token_file", { problem: "This is too large to be a token file", path });
  }
  try {
    return tokenDict(jsonObject(content, { marked: true }));
  } catch (error) {
    if (!(error instanceof EntryError)) throw error;
    const problem = `This is no token file: ${error.key ? "" : "it "}${error.message}`;
    throw new OAuthError("token_file", { problem, path, key: error.key });
  }
}

/**
 * Write a token file, mode 0600, all or nothing; a symbolic link is followed.
 * `alone` is what `locked` handed out: whether nobody else can be writing.
 */
export function writeToken(path, token, alone) {
  const content = Buffer.from(asciiJson(token, 1));
  told(path, "written", () => {
    const target = followed(path);
    const before = fs.statSync(target, { throwIfNoEntry: false });
    if (before) regular(path, before);
    try {
      replace(target, content, before, alone);
    } catch (error) {
      if (!before || !NO_RENAME.has(error.code)) throw error;
      overwrite(target, content, before.size);
    }
  });
}

/** Throw where a login could not be stored: something else is there, or nobody may write. */
export function checkPlace(path) {
  try {
    readToken(path);
  } catch (error) {
    if (error.kind !== "token_file_not_found") throw error;
  }
  told(path, "written", () => {
    const target = followed(path);
    try {
      const temporary = beside(target, Buffer.alloc(4096, " "), null, false);
      fs.unlinkSync(temporary);
    } catch (error) {
      if (!NO_RENAME.has(error.code)) throw error;
      fs.accessSync(target, fs.constants.W_OK);
    }
  });
}

/** Do something with files, and tell in our words what goes wrong. */
function told(path, done, work) {
  try {
    return work();
  } catch (error) {
    if (!error.syscall) throw error;
    if (error.code === "ENOENT" && done === "read") throw new OAuthError("token_file_not_found", { path });
    throw new OAuthError("token_file", { problem: `The token file cannot be ${done} (${error.code})`, path });
  }
}

function regular(path, status) {
  if (!status.isFile()) throw new OAuthError("token_file", { problem: "This is no regular file", path });
}

/** Where a path leads, also if nothing is there yet. */
function followed(path) {
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
  return followed(resolve(dirname(path), link));
}

/** Make a private temporary file with the content. */
function beside(target, content, before, alone) {
  // Whoever is killed in here leaves the temporary file behind. Alone, its name is fixed: the next one cleans up.
  const temporary = alone ? `${target}.tmp` : `${target}.${randomBytes(8).toString("hex")}.tmp`;
  fs.rmSync(temporary, { force: true });
  const file = fs.openSync(temporary, O_WRONLY | O_CREAT | O_EXCL | SAFELY, 0o600);
  try {
    try {
      keepPrivate(file); // an odd umask may have taken our own rights away
      if (before && before.uid !== 0 && process.geteuid?.() === 0) fs.fchownSync(file, before.uid, before.gid);
      write(file, content);
    } finally {
      fs.closeSync(file);
    }
    return temporary;
  } catch (error) {
    quietly(() => fs.unlinkSync(temporary));
    throw error;
  }
}

function replace(target, content, before, alone) {
  const temporary = beside(target, content, before, alone);
  try {
    fs.renameSync(temporary, target);
  } catch (error) {
    quietly(() => fs.unlinkSync(temporary));
    throw error;
  }
}

function overwrite(target, content, size) {
  const file = fs.openSync(target, O_RDWR | SAFELY);
  try {
    const before = readUpTo(file, size);
    keepPrivate(file);
    try {
      // One write as long as what was there, then cut: between the two, it is a token with spaces behind it.
      write(file, Buffer.concat([content, Buffer.alloc(Math.max(0, size - content.length), " ")]));
      fs.ftruncateSync(file, content.length);
    } catch (error) { // the disk is full
      quietly(() => write(file, before));
      fs.ftruncateSync(file, size);
      throw error;
    }
  } finally {
    fs.closeSync(file);
  }
}

// Not where it is somebody else's file that we may write, or a file system without modes.
const keepPrivate = (file) => quietly(() => fs.fchmodSync(file, 0o600));

function readUpTo(file, most) {
  const content = Buffer.alloc(most);
  let size = 0, count;
  while (size < most && (count = fs.readSync(file, content, size, most - size, size)) > 0) size += count;
  return content.subarray(0, size);
}

function write(file, content) {
  for (let at = 0; at < content.length;) at += fs.writeSync(file, content, at, content.length - at, at);
  try {
    fs.fsyncSync(file);
  } catch (error) {
    if (error.code !== "EINVAL") throw error; // a file system that cannot
  }
}

function quietly(work) {
  try {
    work();
  } catch (error) {
    if (!error.syscall) throw error;
  }
}
