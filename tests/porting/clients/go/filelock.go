// SPDX-License-Identifier: MIT

// An inter-process lock on a token file: a kernel lock, released when its holder dies. (`_file_lock.py`)
//
// It locks the token file itself; with no file yet, its folder. It is the same lock as the Python library's, so that
// programs in both languages can share a file. Where locking is impossible, callers proceed without it. Any other
// failure is an error: "could not lock" is not "there are no locks".

package main

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

const lockPoll = 50 * time.Millisecond // between two tries

// A FIFO must not block us, nor a terminal become our controlling terminal.
const openFlags = syscall.O_NONBLOCK | syscall.O_NOCTTY

func isOneOf(err error, numbers ...syscall.Errno) bool {
	for _, number := range numbers {
		if errors.Is(err, number) {
			return true
		}
	}
	return false
}

// "This file cannot be opened at all": then it cannot be read or written either.
func hasNoFile(err error) bool {
	return isOneOf(err, syscall.ENOENT, syscall.ENOTDIR, syscall.EACCES, syscall.EPERM, syscall.EROFS)
}

// "This file system has no locks."
func hasNoLocks(err error) bool {
	return isOneOf(err, syscall.ENOLCK, syscall.ENOSYS, syscall.EOPNOTSUPP, syscall.ENOTSUP, syscall.EINVAL, syscall.EBADF,
		syscall.EPERM)
}

// lockFile takes the lock of the token file at a path. The file is nil if locking is not possible here; taken is true
// if another process keeps the lock for so many seconds.
func lockFile(path string, seconds float64) (file *os.File, taken bool, err error) {
	deadline := time.Now().Add(time.Duration(seconds * float64(time.Second)))
	for {
		file, taken, err = tryLock(path)
		if !taken || err != nil || !time.Now().Before(deadline) {
			return file, taken, err
		}
		time.Sleep(lockPoll)
	}
}

func tryLock(path string) (*os.File, bool, error) {
	file, err := openForLock(path)
	if err != nil {
		if hasNoFile(err) {
			err = nil
		}
		return nil, false, err
	}
	err = syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if err == nil && isCurrent(file, path) {
		return file, false, nil
	}
	file.Close()
	if err == nil || isOneOf(err, syscall.EWOULDBLOCK, syscall.EACCES, syscall.EDEADLK, syscall.EINTR) {
		return nil, true, nil
	}
	if hasNoLocks(err) {
		err = nil
	}
	return nil, false, err
}

func openForLock(path string) (*os.File, error) {
	file, err := os.OpenFile(path, os.O_RDWR|openFlags, 0) // NFS locks only files that are open for writing
	switch {
	case err == nil:
		return file, nil
	case isOneOf(err, syscall.ENOENT):
		target, err := targetOf(path)
		if err != nil {
			return nil, err
		}
		return os.OpenFile(filepath.Dir(target), os.O_RDONLY|openFlags, 0)
	case hasNoFile(err) || isOneOf(err, syscall.EISDIR, syscall.ETXTBSY):
		return os.OpenFile(path, os.O_RDONLY|openFlags, 0)
	}
	return nil, err
}

// isCurrent says whether the opened file is still the one at the path: the last holder may have replaced or created it.
func isCurrent(file *os.File, path string) bool {
	opened, err := file.Stat()
	if err != nil {
		return false
	}
	current, err := os.Stat(path)
	if err != nil {
		return isOneOf(err, syscall.ENOENT) && opened.IsDir()
	}
	return os.SameFile(opened, current)
}

// targetOf returns the file that a path leads to, even if it does not exist yet.
func targetOf(path string) (string, error) {
	for links := 0; links < 40; links++ {
		target, err := filepath.EvalSymlinks(path)
		if err == nil || !isOneOf(err, syscall.ENOENT) {
			return target, err
		}
		link, err := os.Readlink(path)
		if err != nil {
			folder, err := filepath.EvalSymlinks(filepath.Dir(path))
			return filepath.Join(folder, filepath.Base(path)), err
		}
		if !filepath.IsAbs(link) {
			link = filepath.Join(filepath.Dir(path), link)
		}
		path = link
	}
	return "", syscall.ELOOP
}
