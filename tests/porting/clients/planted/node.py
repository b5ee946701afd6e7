# SPDX-License-Identifier: MIT
"""Breaks in the client in JavaScript."""

from __future__ import annotations

from typing import Final

from .registry import Language, Planted

__all__ = ["BREAKS", "NODE"]

NODE: Final = Language(
    "node",
    r"^(?P<indent> *)(?:export )?(?:async )?(?:function\*? |const |get |\*)?NAME(?=[(=] ?| = )",
    ("node", "FOLDER/client.mjs"),
)

BREAKS: Final = (
    Planted(
        "transport.mjs", "post", "Math.max(deadline - performance.now(), GRACE * 1000)", "deadline - performance.now()",
        "a response whose body comes late is lost, and the refresh token in it", "hostile/late-body",
    ),
    Planted(
        "transport.mjs", "post", '(onlyStatusMatters ? complete("late") : late())', "late()",
        "a 503 whose body does not come looks like a lost response", "hostile/stalled-body-of-a-503",
    ),
    Planted(
        "redaction.mjs", "asWord", '"giu"', '"iu"',
        "only the first occurrence of a short secret is hidden", "redaction/short-secret-in-any-case-*",
    ),
    Planted(
        "redaction.mjs", "redacted", "decode(secret) || secret", "secret",
        "a secret that is percent-encoded itself is shown decoded", "redaction/secret-that-is-percent-encoded-itself",
    ),
    Planted(
        "redaction.mjs", "redacted", "Array.from(text).length", "text.length",
        "a text of 2001 emoji is not shown", "redaction/characters-are-counted-*",
    ),
    Planted(
        "redaction.mjs", "redacted", "if (asWord(plain).test(decode(text) ?? plain)) return REDACTED;", "",
        "a short secret is shown encoded", "redaction/short-secret-encoded",
    ),
    Planted(
        "redaction.mjs", "decode", "/(?:%[0-9a-f]{2})+/gi", "/(?:%[0-9A-F]{2})+/g",
        "a secret is shown percent-encoded in lower case", "redaction/secret-in-several-encodings",
    ),
    Planted(
        "redaction.mjs", "ENTITY", "#x([0-9a-f]{1,6});?", "#x([0-9a-f]{1,6});",
        "a secret is shown with entities without a semicolon", "redaction/secret-with-unusual-html-entities",
    ),
    Planted(
        "messages.mjs", "secretsOf", "secrets.push(request.clientSecret);", "",
        "a message shows the secret that was sent by HTTP Basic", "redaction/secret-sent-by-basic",
    ),
    Planted(
        "messages.mjs", "raiseForError", "error: shown(request, name, body)", "error: shown(request, name)",
        "a message shows a token of the response", "redaction/token-of-the-response-in-the-error-code",
    ),
    Planted(
        "device.mjs", "failed", "error.retryAfter ?? 0", 'error.type === "slow_down" ? 0 : error.retryAfter ?? 0',
        "a Retry-After beside slow_down is ignored", "polling-times/retry-after-of-slow-down",
    ),
    Planted(
        "retries.mjs", "DATES", r"(?<day>[ \d]\d)", r"(?<day>\d\d)",
        "a Retry-After in the first days of a month is ignored", "error-responses/retry-after-asctime-*",
    ),
    Planted(
        "messages.mjs", "ANSWERS", '"expired_token", ', "",
        "a refresh asks for a new device code", "error-responses/expired-token-to-a-refresh",
    ),
    Planted(
        "messages.mjs", "ANSWERS", '"slow_down", ', "",
        "a refresh says that polling is too fast", "error-responses/slow-down-to-a-refresh",
    ),
    Planted(
        "messages.mjs", "ANSWERS", '"bad_refresh_token", ', "",
        "a login says that a refresh token is bad", "error-responses/bad-refresh-token-to-a-poll",
    ),
    Planted(
        "messages.mjs", "raiseForError", "status >= 300", "status > 300",
        "a redirect with status 300 is not reported as one", "error-responses/redirect-with-a-choice",
    ),
    Planted(
        "messages.mjs", "raiseForError", "interval <= MAX_INTERVAL", "interval < MAX_INTERVAL",
        "polling is faster than the server asked", "error-responses/slow-down-with-the-longest-interval",
    ),
    Planted(
        "messages.mjs", "raiseForError", "interval <= MAX_INTERVAL", "interval <= MAX_INTERVAL + 1",
        "a long interval ends a login unconfirmed", "error-responses/slow-down-with-too-long-an-interval",
    ),
    Planted(
        "cycle.mjs", "decide", 'if (goal.rejected !== null) return "refresh";', "",
        "after a 401, an earlier failure keeps from asking", "decide/*",
    ),
    Planted(
        "cycle.mjs", "decide", "if (isValid && !isRefused) return", "if (isValid) return",
        "an ended login is reported only when the token has expired", "decide/*",
    ),
    Planted(
        "cycle.mjs", "isEnough", "if (!token.refresh_token) return left > 0;", "",
        "a token without a refresh token is refreshed in its last minute", "decide/*",
    ),
    Planted(
        "cycle.mjs", "*refresh", "if (!this.#isValid() && this.#goal.rejected === null) yield* this.#refresh();", "",
        "a machine that slept during a refresh gets an error instead of another try", "cycle-asking/*",
    ),
    Planted(
        "cycle.mjs", "*refresh", "const isNews = !mustLogIn && this.#backOff(error);", "const isNews = true;",
        "a failing server is asked again at once", "cycle-*",
    ),
    Planted(
        "cycle.mjs", "*save", "yield lock(0)", "yield lock(LOCK_WAIT)",
        "a call that only wants to save waits for another process's lock", "cycle-saving/*",
    ),
    Planted(
        "cycle.mjs", "*store", "problem !== null || ", "",
        "a new login is not saved over a file that is not a token", "cycle-saving/*",
    ),
    Planted(
        "cycle.mjs", "*look", "this.#state.lookedAt = this.#now.monotonic;", "",
        "after a failure, the store is read at every read of the token", "cycle-*",
    ),
    Planted(
        "cycle.mjs", "*#refresh", "if (problem !== null && this.#rotates) throw", "if (false) throw",
        "a refresh token is sent without a look into a store that cannot be read", "cycle-locking/*",
    ),
    Planted(
        "cycle.mjs", "*#ask", "if (this.#hasStore && mayLook) yield* this.#reload();", "",
        "a refused refresh token is final, although the store has another one", "cycle-*",
    ),
    Planted(
        "state.mjs", "refuse", "this.refused = this.snapshot.token.refresh_token;", "",
        "a refresh token that was refused is sent again", "cycle-*",
    ),
    Planted(
        "state.mjs", "refuse", "if (this.candidate !== this.snapshot)", "if (true)",
        "of two logins, the second one is not tried after the first was refused", "cycle-adopting/made-by-*",
    ),
    Planted(
        "state.mjs", "reconcile", "const alternative = isFirstLook ? this.alternative : null;",
        "const { alternative } = this;",
        "a server's mistake brings an older login back", "cycle-adopting/other-is-forgotten-*",
    ),
    Planted(
        "cycle.mjs", "#remember", "const { candidate } = state;", "const candidate = state.snapshot;",
        "the login that the server has accepted is lost", "cycle-adopting/*",
    ),
    Planted(
        "cycle.mjs", "*#refresh", "!isSaved && this.#unreadable === null", "!isSaved",
        "after a failed save, a used refresh token is sent without a look", "cycle-saving/failed-save-*",
    ),
    Planted(
        "cycle.mjs", "#reconcile", "if (!state.isDirty) this.#warning = null;", "",
        "a warning of a token that is no longer in use", "cycle-saving/failed-save-*",
    ),
    Planted(
        "cycle.mjs", "*#ask", ": mayRepeat", ": true",
        "two refused refresh tokens in turn are sent for ever", "cycle-adopting/*",
    ),
    Planted(
        "cycle.mjs", "#allowance", "left >= TIMEOUT || ", "",
        "after one failure, a token that is valid for minutes is not refreshed", "cycle-*",
    ),
    Planted(
        "cycle.mjs", "#checkLease", "retryable: !isTooShort", "retryable: true",
        "a lease that is always too short is tried for ever", "cycle-locking/*",
    ),
    Planted(
        "cycle.mjs", "#remember", "sent.wall, sent.monotonic", "wall, monotonic",
        "a slow response makes a token valid for longer", "cycle-asking/*",
    ),
    Planted(
        "cycle.mjs", "#remember", "if (!covers(state.snapshot.fresh, wall, monotonic)) {", "if (false) {",
        "a server that repeats itself is asked at every read", "cycle-asking/*",
    ),
    Planted(
        "cycle.mjs", "*#swap", "if (problem === null && !state.isDirty) return null;", "",
        "a newer token in the store is overwritten after a conflict", "cycle-saving/*",
    ),
    Planted(
        "cycle.mjs", "#backOff", "error.retryAfter", "null",
        "the next request comes before the time in Retry-After", "cycle-asking/*",
    ),
    Planted(
        "state.mjs", "setByHand", "this.isNewLogin ||= snapshot", "this.isNewLogin = false && snapshot",
        "a login that was set by hand is replaced by the one in the file", "cycle-*",
    ),
    Planted(
        "state.mjs", "reconcile", "isLater || isFresher || rejected", "isLater || rejected",
        "after a change of the clock, another process's fresh token is not used", "cycle-adopting/*",
    ),
    Planted(
        "state.mjs", "reconcile", "if (this.isNewLogin && !isRefused) return;", "",
        "a confirmed login that was never saved is replaced by the old one", "cycle-*",
    ),
    Planted(
        "state.mjs", "reconcile", "= !this.superseded.includes(refreshToken)", "= true",
        "a refresh token that was replaced is adopted again from the file", "cycle-*",
    ),
    Planted(
        "state.mjs", "savedAs", "this.storeBackoff = NO_BACKOFF;", "",
        "after a save, the next failure is not a first one, and nobody is warned", "cycle-*",
    ),
    Planted(
        "expiry.mjs", "refreshMargin", "Math.min(REFRESH_MARGIN, Math.floor(expiresIn / 2))", "REFRESH_MARGIN",
        "a short-lived token is refreshed at every read", "expiry*",
    ),
    Planted(
        "retries.mjs", "parseRetryAfter", "(parseDate(date) ?? now)", "now",
        "a Retry-After date is compared with a clock that may be wrong", "error-responses/*",
    ),
    Planted(
        "retries.mjs", "withRetries", "const isUnsafe = error.isLost && !repeatable;", "const isUnsafe = false;",
        "a lost refresh is sent again, and the server takes it for theft", "retries/*",
    ),
    Planted(
        "device.mjs", "constructor", "received + this.interval", "received",
        "the first poll comes at once", "polling-times/*",
    ),
    Planted(
        "redaction.mjs", "sanitized", "withoutControls(text)", "text",
        "a server's text controls the terminal", "redaction/*",
    ),
    Planted(
        "validation.mjs", "webLink", "printable(value)", "text(value)",
        "a link may contain control characters", "*",
    ),
    Planted(
        "protocol.mjs", "parseRevocation", "raiseForError", "() => undefined",
        "a failed revocation is taken for a success", "error-responses/*",
    ),
    Planted(
        "protocol.mjs", "parseDeviceAuthorization", "contains(complete, [code.device_code])", "false",
        "other users of the machine can read the device code", "responses/verification-uri-complete-with-*",
    ),
    Planted(
        "messages.mjs", "isSecretIn", "each.length >= RUN", "true",
        "a scope that is a short token as well is lost", "responses/scope-with-a-token-of-seven-characters",
    ),
    Planted(
        "messages.mjs", "raiseForError", "if (status >= 300 && status < 400) {", "if (false) {",
        "a redirect is reported as a malformed response", "error-responses/*",
    ),
    Planted(
        "file-store.mjs", "async lock", "ignoringErrors(() => removeLeftovers(targetOf(this.#absolute)))", "void 0",
        "what a killed process has left stays for ever", "file/killed-*",
    ),
    Planted(
        "file-lock.mjs", "flock", '["-n", "3"]', '["-sn", "3"]',
        "two processes have the lock at once", "concurrency/*",
    ),
    Planted(
        "refresher.mjs", "async ensureValid", "wait: !isValid", "wait: true",
        "a task with a valid token waits for a slow server", "concurrency/valid-token-*",
    ),
    Planted(
        "messages.mjs", "raiseForError",
        "if (ERROR_NAMES.has(name) && (",
        "if (status !== 503 && ERROR_NAMES.has(name) && (",
        "a login that has ended is tried again for ever", "error-responses/known-error-with-503",
    ),
    Planted(
        "messages.mjs", "withoutCode", "status === 400 && isEmpty &&", "status === 400 &&",
        "a proxy's page ends a login", "error-responses/bad-request-page-*",
    ),
    Planted(
        "validation.mjs", "optionalSecret", "/^[ -~]*$/", "/^[ -~]*\\n?$/",
        "a line break in a refresh token is sent, and the login is lost", "invalid-fields/refresh-token-with-a-final-*",
    ),
    Planted(
        "state.mjs", "reconcile", "!covers(ours.fresh, wall, monotonic)", "!covers(ours.valid, wall, monotonic)",
        "a token that another process has refreshed is refreshed again", "cycle-adopting/older-access-*",
    ),
    Planted(
        "state.mjs", "issuedAt", " || 3600", " || 0",
        "of two logins, the older one wins if its lifetime is unknown", "cycle-adopting/made-by-hand-and-the-store-s-*",
    ),
    Planted(
        "state.mjs", "savedAs", "&&= token.refresh_token !== this.snapshot.token.refresh_token", "= false",
        "a login that was set during a save is lost", "cycle-saving/login-set-by-hand-*",
    ),
    Planted(
        "state.mjs", "supersede", "= old && snapshot", "= snapshot",
        "a file without a refresh token is never adopted again", "cycle-asking/no-refresh-token-*",
    ),
    Planted(
        "file-store.mjs", "replace",
        "(temporary) => {",
        "(temporary) => { if (true) return fs.renameSync(temporary, target) ?? true;",
        "a login that ytmusicapi has saved during a refresh is lost", "concurrency/new-login-during-a-refresh",
    ),
    Planted(
        "refresher.mjs", "async keepIn", "isNewLogin: true", "isNewLogin: false",
        "the login that the user has just confirmed is lost", "file/login-over-*",
    ),
    Planted(
        "transport.mjs", "unreachable", "retryable: false, isUntrusted", "retryable: false",
        "a captive portal ends a login", "polling-times/untrusted-certificate-*",
    ),
    Planted(
        "transport.mjs", "unreachable", "retryable: false", "retryable: true",
        "a certificate that is not trusted is asked for again and again", "retries/untrusted-certificate-*",
    ),
    Planted(
        "validation.mjs", "text", "value.length > LONGEST_TEXT &&", "false &&",
        "a token is saved that cannot be read again", "invalid-fields/access-token-too-long",
    ),
    Planted(
        "state.mjs", "supersede", ".slice(-MOST_SUPERSEDED)", ".slice(0, MOST_SUPERSEDED)",
        "after years, a used refresh token is adopted from the file", "cycle-asking/a-hundred-*",
    ),
    Planted(
        "messages.mjs", "NOT_DONE", "500, 501, 503", "500, 503",
        "a refresh that the server did not act on is not tried again", "retries/not-implemented-*",
    ),
    Planted(
        "credentials.mjs", "async waitForToken", "new DevicePoll(code, sent, received)", "new DevicePoll(code, sent)",
        "the first poll comes too soon, because the server is slow", "polling/slow-server",
    ),
    Planted(
        "credentials.mjs", "async tokenFromCode",
        "this.#send(request), sent,",
        "this.#send(request), this.#system.now(),",
        "after a login at a slow server, a token is used that has expired", "polling/slow-server",
    ),
)  # fmt: skip
