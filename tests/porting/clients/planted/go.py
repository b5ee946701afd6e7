# SPDX-License-Identifier: MIT
"""Breaks in the client in Go."""

from __future__ import annotations

from typing import Final

from .registry import Language, Planted

__all__ = ["BREAKS", "GO"]

GO: Final = Language(
    "go",
    r"^(?P<indent>)func (?:\(\w+ \*?\w+\) )?NAME[\[(]",
    ("FOLDER/client",),
    ("go", "build", "-trimpath", "-o", "client", "."),
)

BREAKS: Final = (
    Planted(
        "cycle.go", "decide", "if goal.rejected != nil {", "if false {",
        "after a 401, an earlier failure keeps from asking", "decide/*",
    ),
    Planted(
        "cycle.go", "decide", "isBlocked := now", "isBlocked := false && now",
        "a failing server is asked at every read", "decide/*",
    ),
    Planted(
        "cycle.go", "isEnough", "ahead = math.Min(ahead, half)", "_ = half",
        "a timer that refreshes an hour ahead refreshes a short-lived token all the time", "decide/*",
    ),
    Planted(
        "cycle.go", "refreshOnce", "timeout = lockWait", "timeout = 0",
        "a process whose token has expired does not wait for the one that refreshes", "cycle-*",
    ),
    Planted(
        "cycle.go", "refreshOnce", "if problem != nil && c.rotates {", "if false {",
        "a refresh token is sent without a look into a store that cannot be read", "cycle-locking/*",
    ),
    Planted(
        "cycle.go", "reload", "giveUpAt := c.now.monotonic + patience", "giveUpAt := c.now.monotonic",
        "a file that is half written for a moment is given up at once", "cycle-locking/*",
    ),
    Planted(
        "cycle.go", "settle", "c.state.seen == nil || c.state.isNewLogin", "true",
        "a file that the user has removed is written again", "cycle-*",
    ),
    Planted(
        "state.go", "candidate", "s.other != nil &&", "false &&",
        "of two logins, the second one is not tried after the first was refused", "cycle-adopting/*",
    ),
    Planted(
        "state.go", "rotate", "candidate := s.candidate()", "candidate := s.snapshot",
        "a used refresh token is kept, of a login that the server has accepted", "cycle-adopting/other-*",
    ),
    Planted(
        "state.go", "settle", "if !isFirstLook {", "if false {",
        "a server's mistake brings an older login back", "cycle-adopting/other-is-forgotten-*",
    ),
    Planted(
        "cycle.go", "refreshOnce", "&& c.unreadable == nil", "",
        "after a failed save, a used refresh token is sent without a look", "cycle-saving/failed-save-*",
    ),
    Planted(
        "cycle.go", "reload", "reads < mostReads", "true",
        "a test that stops the clock waits for ever", "cycle-locking/clock-*",
    ),
    Planted(
        "cycle.go", "ask", "if c.goal.rejected == nil && state.isRefused()", "if false",
        "a refresh token that was refused is sent again", "cycle-*",
    ),
    Planted(
        "cycle.go", "allowance", "return 1, seconds", "return mostTries, seconds",
        "a reader with a valid token waits for three tries", "cycle-asking/*",
    ),
    Planted(
        "cycle.go", "allowance", "left-reserve", "left",
        "a request ends in the second in which the token does", "cycle-asking/*",
    ),
    Planted(
        "cycle.go", "checkLease", "if c.until-c.now.monotonic >= seconds {", "if true {",
        "a request outlives the lease, and another process sends the second one", "cycle-locking/*",
    ),
    Planted(
        "cycle.go", "remember", "if candidate.token.RefreshToken != refreshToken {", "if false {",
        "a login that was set during a request is overwritten by its response", "cycle-asking/*",
    ),
    Planted(
        "cycle.go", "saveUnless", "if c.state.storeBackoff.failures == 0 {", "if true {",
        "the user gets the same warning at every failed save", "cycle-saving/*",
    ),
    Planted(
        "cycle.go", "swap", "swaps < mostSwaps", "swaps < 1",
        "a conflict in the store is not tried again", "cycle-saving/*",
    ),
    Planted(
        "cycle.go", "backOff", "if !state.isRefused() {", "if true {",
        "any later failure makes a refused refresh token good again", "cycle-*",
    ),
    Planted(
        "state.go", "afterFailure", "math.Min(*retryAfter, maxDelay)", "*retryAfter",
        "a Retry-After of a day keeps a device offline for a day", "cycle-asking/*",
    ),
    Planted(
        "state.go", "supersede", "snapshot.token.RefreshToken != old", "false",
        "a refresh token that was replaced is adopted again from the file", "cycle-*",
    ),
    Planted(
        "state.go", "rotate", "if err.refreshToken == nil ||", "if true ||",
        "the new refresh token of a malformed response is lost, and the login with it", "cycle-*",
    ),
    Planted(
        "state.go", "settle", "isNewer = !isChanged", "isNewer = true",
        "values that were set by hand are overwritten by the file", "cycle-*",
    ),
    Planted(
        "state.go", "settle", "issuedAt(there) == issuedAt(ours) && !isChanged", "issuedAt(there) == issuedAt(ours)",
        "of two refreshes in one second, the older one wins", "cycle-*",
    ),
    Planted(
        "expiry.go", "validityOf", "ends - lifetime - tolerance", "math.Inf(-1)",
        "a token that was stored while the clock was ahead is never refreshed", "expiry*",
    ),
    Planted(
        "expiry.go", "covers", "wall < v.notAfter", "wall <= v.notAfter",
        "a token is used in the second in which it expires", "expiry-times/*",
    ),
    Planted(
        "messages.go", "errorIn", "code == nil && (status == 200", "code == nil && (status < 300",
        "a body with another status than 200 is taken for a token", "error-responses/*",
    ),
    Planted(
        "messages.go", "secretsOf", 'secretsIn("", body)...', "[]string{}...",
        "a message shows a token of the response", "redaction/*",
    ),
    Planted(
        "device.go", "delay", " || now > p.deadline", "",
        "after a late response, the user has to wait for nothing", "polling-times/retry-after-that-comes-when-*",
    ),
    Planted(
        "redaction.go", "redacted", "length < runLength", "length < 5",
        "a secret of seven characters is shown", "redaction/short-secret-of-punctuation",
    ),
    Planted(
        "redaction.go", "withoutWord", "regexp.QuoteMeta(word)", "word",
        "a short secret is searched for as a regular expression", "redaction/short-secret-of-punctuation",
    ),
    Planted(
        "messages.go", "shown", "open = append(open, value)", "_ = value",
        "a secret made from the client id hides it", "redaction/public-values-in-a-secret-are-shown",
    ),
    Planted(
        "redaction.go", "solid", "strings.ToLower(text)", "text",
        "a secret in another case is shown", "redaction/*",
    ),
    Planted(
        "protocol.go", "request", "(kind == deviceCodeKind || kind == revocationKind)", "false",
        "the client secret is sent to Google's open endpoints", "requests/*",
    ),
    Planted(
        "protocol.go", "parseRefresh", 'delete(values, "refresh_token")', "_ = values",
        "a refresh without a new refresh token loses the old one", "re*",
    ),
    Planted(
        "protocol.go", "withoutSecrets", "!isSecretIn(", "true || isSecretIn(",
        "a token is shown as a scope", "responses/scope-with-*",
    ),
    Planted(
        "redaction.go", "contains", "searched := compared(text + decoded)", "searched := compared(text + decoded[:0])",
        "a scope with an encoded secret is shown", "responses/scope-with-the-client-secret-after-a-login",
    ),
    Planted(
        "retries.go", "withRetries", "err.isLost && !limits.repeatable", "false",
        "a lost refresh is sent again, and the server takes it for theft", "retries/*",
    ),
    Planted(
        "device.go", "failed", "p.interval+slowDown", "p.interval",
        "slow_down does not slow the polling down", "polling-times/*",
    ),
    Planted(
        "redaction.go", "redacted", "len(secrets) > maxSecrets", "false",
        "a response full of secrets stops the program", "redaction/*",
    ),
    Planted(
        "filelock.go", "tryLock", "syscall.LOCK_EX", "syscall.LOCK_SH",
        "two processes have the lock at once", "concurrency/*",
    ),
    Planted(
        "filestore.go", "tryReplace",
        "return os.Rename(temporary, target)", "return writeInPlace(target, []byte(after))",
        "the file is written in place: a crash leaves half a token", "file/replaced-*",
    ),
    Planted(
        "filestore.go", "keepOwner", "owner.Uid == 0", "true",
        "a refresh by root takes the file away from its owner", "file/file-of-another-*",
    ),
    Planted(
        "refresher.go", "ensure", "goal, !isValid)", "goal, true)",
        "a thread with a valid token waits for a slow server", "concurrency/valid-token-*",
    ),
    Planted(
        "transport.go", "post", "time.Until(deadline), cancel", "time.Hour, cancel",
        "a server that stalls stops the program", "hostile/stalled-server",
    ),
    Planted(
        "transport.go", "post", "left < grace*time.Second", "left < 0",
        "a response whose body comes late is lost, and the refresh token in it", "hostile/late-body",
    ),
    Planted(
        "transport.go", "post", "case status == 408 || status >= 500:", "case !isTimeout(err) && status >= 500:",
        "a 503 whose body does not come looks like a lost response", "hostile/stalled-body-of-a-503",
    ),
    Planted(
        "messages.go", "errorIn", "case known:", "case known && status != 408:",
        "a wrong client is tried again for ever", "error-responses/known-error-with-408",
    ),
    Planted(
        "messages.go", "codeIn", '"error", "error_code", "message"} {', '"message", "error", "error_code"} {',
        "a message hides the error that it explains", "error-responses/known-message-*",
    ),
    Planted(
        "device.go", "delay", "deadline+late", "deadline+0.15",
        "a login ends unconfirmed because a sleep ended late", "polling-times/poll-a-fifth-*",
    ),
    Planted(
        "device.go", "delay", "now <= p.deadline+late", "now <= p.deadline+0.4",
        "a code that has expired is sent", "polling-times/poll-a-third-*",
    ),
    Planted(
        "snapshot.go", "changed",
        "return &Snapshot{token, old.valid, old.valid.freshness(token.ExpiresIn)}, nil",
        "return snapshotOf(token, 0, 0), nil",
        "hours after boot, a valid token is thrown away with a malformed response", "cycle-asking/rotated-hours-*",
    ),
    Planted(
        "cycle.go", "refresh", "c.state.storeBackoff.failures = 0", "_ = 0",
        "the user never hears that the token cannot be saved", "cycle-saving/save-fails-and-*",
    ),
    Planted(
        "filestore.go", "tryReplace",
        "func(temporary string) error {",
        "func(temporary string) error { if isSwapped = true; true { return os.Rename(temporary, target) }",
        "a login that ytmusicapi has saved during a refresh is lost", "concurrency/new-login-during-a-refresh",
    ),
    Planted(
        "filelock.go", "openForLock", "return os.OpenFile(filepath.Dir(target), os.O_RDONLY|openFlags, 0)",
        "return os.OpenFile(target, os.O_RDONLY|openFlags, 0)",
        "two programs that log in for the first time both save", "concurrency/lock-taken-without-*",
    ),
    Planted(
        "filelock.go", "lockFile",
        "file, taken, err = tryLock(path)",
        "if file, err = openForLock(path); err == nil { syscall.Flock(int(file.Fd()), syscall.LOCK_EX) }",
        "the lock of a file that was replaced is taken for that of the new one", "concurrency/lock-taken-in-*",
    ),
    Planted(
        "refresher.go", "keepIn", "nil, true", "nil, false",
        "the login that the user has just confirmed is lost", "file/login-over-*",
    ),
    Planted(
        "transport.go", "post", "io.LimitReader(response.Body, largestBody+1)", "response.Body",
        "a server fills the memory", "hostile/huge-body*",
    ),
)  # fmt: skip
