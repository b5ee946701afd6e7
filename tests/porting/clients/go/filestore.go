// SPDX-License-Identifier: MIT

// The token file as a token store: read strictly, written as a whole, readable only by its owner. (`_file_store.py`)
//
// A new file is written beside the old one, made private before its first byte, synced, and renamed over it, so that a
// crash at any moment leaves the old file or the new one. Only where a rename cannot work is the file written in place.

package main

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"time"
	"unicode/utf8"
)

const (
	largestFile = 1 << 21 // Bytes; a token file has about five hundred.
	prefixSize  = 24      // Characters of the file's name in that of a temporary file, so that the longest one fits.
	leftover    = time.Hour
)

// The names of temporary files, after the beginning of the file's name. They are those of the Python library, and
// either removes what the other left.
var temporaryName = regexp.MustCompile(`^\.ytmusic_oauth-[0-9a-f]{16}\.tmp$`)

// A FileStore is a token file. A symbolic link is followed. Methods return token_file errors.
type FileStore struct{ path, absolute string }

func newFileStore(path string) *FileStore {
	absolute, err := filepath.Abs(path)
	if err != nil {
		absolute = path
	}
	return &FileStore{path, absolute}
}

func (s *FileStore) failed(problem string) *OAuthError {
	return failure("token_file", OAuthError{Problem: problem, Path: s.path})
}

// reported turns an error of the file system into our own.
func (s *FileStore) reported(done string, err error) error {
	var ours *OAuthError
	var number syscall.Errno
	switch {
	case err == nil || errors.As(err, &ours):
		return err
	case errors.As(err, &number):
		return s.failed(fmt.Sprintf("The token file cannot be %s (%s)", done, number))
	}
	return s.failed("The token file cannot be " + done)
}

// read returns the content; nil if there is no file, or if it is empty.
func (s *FileStore) read() (*string, error) {
	file, err := os.OpenFile(s.absolute, os.O_RDONLY|openFlags, 0)
	if isOneOf(err, syscall.ENOENT) {
		return nil, nil
	}
	if err != nil {
		return nil, s.reported("read", err)
	}
	defer file.Close()
	if status, err := file.Stat(); err != nil || !status.Mode().IsRegular() {
		return nil, s.failed("Not a regular file")
	}
	content, err := io.ReadAll(io.LimitReader(file, largestFile+1))
	switch {
	case err != nil:
		return nil, s.reported("read", err)
	case len(content) > largestFile:
		return nil, s.failed("Too large to be a token file")
	case !utf8.Valid(content):
		return nil, s.failed("Not a token: it is not UTF-8")
	}
	text := strings.TrimPrefix(string(content), mark) // Windows editors write it
	// Created by `touch`, for example to be mounted into a container; or the zeros that a crash leaves.
	if strings.Trim(text, "\x00\t\n\v\f\r ") == "" {
		return nil, nil
	}
	return &text, nil
}

func (s *FileStore) holds(before *string) (bool, error) {
	text, err := s.read()
	if err != nil || text == nil || before == nil {
		return text == before, err
	}
	return *text == *before, nil
}

// replace compares and swaps, mode 0600, all or nothing. It compares just before the rename.
func (s *FileStore) replace(before *string, after string) (bool, error) {
	swapped, err := s.tryReplace(before, after)
	return swapped, s.reported("written", err)
}

func (s *FileStore) tryReplace(before *string, after string) (isSwapped bool, err error) {
	target, err := targetOf(s.absolute)
	if err != nil {
		return false, err
	}
	status, missing := os.Stat(target)
	if missing == nil && !status.Mode().IsRegular() {
		return false, s.failed("Not a regular file")
	}
	err = withTemporaryFile(target, []byte(after), status, func(temporary string) error {
		if isSwapped, err = s.holds(before); !isSwapped || err != nil {
			return err
		}
		return os.Rename(temporary, target)
	})
	if err == nil && isSwapped {
		return true, syncFolder(target)
	}
	if err == nil || missing != nil || !cannotRename(err) {
		return false, err
	}
	if isSwapped, err = s.holds(before); !isSwapped || err != nil {
		return false, err
	}
	return true, writeInPlace(target, []byte(after))
}

// lock holds the file's lock, a kernel lock that is released when its holder dies.
func (s *FileStore) lock(seconds float64) (*Held, error) {
	file, taken, err := lockFile(s.absolute, seconds)
	if taken || err != nil {
		return nil, s.reported("locked", err)
	}
	if file == nil {
		return &Held{math.Inf(1), func() {}}, nil
	}
	removeLeftovers(s.absolute)
	return &Held{math.Inf(1), func() { file.Close() }}, nil
}

// checkWritable returns an error if a login could not be stored: it is not a token file, the disk is full, or
// permission is missing.
func (s *FileStore) checkWritable() error {
	text, err := s.read()
	if err != nil {
		return err
	}
	if text != nil {
		if _, err := parseTokenText(*text); err != nil {
			return err.as("token_file", s.path)
		}
	}
	return s.prepare()
}

// prepare returns an error if the next `replace` would fail: because the disk is full, say.
func (s *FileStore) prepare() error {
	target, err := targetOf(s.absolute)
	if err == nil {
		status, missing := os.Stat(target)
		size := 4096
		if missing == nil && status.Size() > int64(size) {
			size = int(status.Size())
		}
		if size > largestFile {
			size = largestFile
		}
		err = withTemporaryFile(target, []byte(strings.Repeat(" ", size)), status, func(temporary string) error {
			if missing != nil || checkInPlace(target) == nil {
				return nil
			}
			if err := os.Remove(temporary); err != nil {
				return err
			}
			return os.Link(target, temporary) // fails for a file that is mounted by itself, or immutable
		})
		if missing == nil && cannotRename(err) {
			err = checkInPlace(target)
		}
	}
	return s.reported("written", err)
}

func checkInPlace(target string) error {
	file, err := os.OpenFile(target, os.O_RDWR|openFlags, 0)
	if err != nil {
		return err
	}
	return file.Close()
}

func cannotRename(err error) bool {
	return isOneOf(err, syscall.EACCES, syscall.EPERM, syscall.EROFS, syscall.EBUSY, syscall.EXDEV)
}

func prefixOf(target string) string { return first(filepath.Base(target), prefixSize) }

// withTemporaryFile creates a private temporary file with the content, and runs `work` with its name. It is removed,
// unless renamed.
func withTemporaryFile(target string, content []byte, before os.FileInfo, work func(temporary string) error) error {
	random := make([]byte, 8)
	if _, err := rand.Read(random); err != nil {
		return err
	}
	name := fmt.Sprintf("%s.ytmusic_oauth-%s.tmp", prefixOf(target), hex.EncodeToString(random))
	temporary := filepath.Join(filepath.Dir(target), name)
	file, err := os.OpenFile(temporary, os.O_WRONLY|os.O_CREATE|os.O_EXCL|openFlags, 0o600)
	if err != nil {
		return err
	}
	defer os.Remove(temporary)
	makePrivate(file) // an unusual umask may have removed our own permissions
	err = keepOwner(file, before)
	if err == nil {
		err = writeAll(file, content)
	}
	if closed := file.Close(); err == nil {
		err = closed
	}
	if err != nil {
		return err
	}
	return work(temporary)
}

// keepOwner gives a new file to the owner of the old one, if we are root.
func keepOwner(file *os.File, before os.FileInfo) error {
	if before == nil || os.Geteuid() != 0 {
		return nil
	}
	owner, ok := before.Sys().(*syscall.Stat_t)
	if !ok || owner.Uid == 0 {
		return nil
	}
	return file.Chown(int(owner.Uid), int(owner.Gid))
}

// removeLeftovers removes old temporary files of this token file. The lock must be held.
func removeLeftovers(path string) {
	target, err := targetOf(path)
	if err != nil {
		return
	}
	entries, _ := os.ReadDir(filepath.Dir(target))
	for _, entry := range entries {
		rest := strings.TrimPrefix(entry.Name(), prefixOf(target))
		if rest == entry.Name() || !temporaryName.MatchString(rest) {
			continue
		}
		status, err := entry.Info()
		if err == nil && status.Mode().IsRegular() && time.Since(status.ModTime()) > leftover {
			_ = os.Remove(filepath.Join(filepath.Dir(target), entry.Name()))
		}
	}
}

func writeInPlace(target string, content []byte) error {
	file, err := os.OpenFile(target, os.O_RDWR|openFlags, 0)
	if err != nil {
		return err
	}
	defer file.Close()
	before, err := io.ReadAll(io.LimitReader(file, largestFile))
	if err != nil {
		return err
	}
	makePrivate(file)
	// Write padded to the old length, then truncate: in between, the file is the new token followed by spaces.
	padded := append(content, []byte(strings.Repeat(" ", max(0, len(before)-len(content))))...)
	if err = writeAll(file, padded); err == nil {
		err = file.Truncate(int64(len(content)))
	}
	if err != nil { // the disk is full
		_ = writeAll(file, before)
		_ = file.Truncate(int64(len(before)))
	}
	return err
}

func max(one, other int) int { return one + other - min(one, other) }

// makePrivate fails for another user's file that we may write, and on a file system without modes.
func makePrivate(file *os.File) { _ = file.Chmod(0o600) }

func writeAll(file *os.File, content []byte) error {
	if _, err := file.WriteAt(content, 0); err != nil {
		return err
	}
	return synced(file)
}

// syncFolder makes a rename durable. Without this, a power cut brings the old file back.
func syncFolder(target string) error {
	folder, err := os.Open(filepath.Dir(target))
	if err != nil { // a folder that we may not list
		return nil
	}
	defer folder.Close()
	return synced(folder)
}

// synced ignores a file system that does not sync.
func synced(file *os.File) error {
	err := file.Sync()
	if isOneOf(err, syscall.EINVAL, syscall.EPERM, syscall.EACCES, syscall.EROFS, syscall.ENOSYS, syscall.ENOTSUP) {
		return nil
	}
	return err
}
