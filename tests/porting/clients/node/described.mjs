// SPDX-License-Identifier: MIT
// What the driver and its vectors have in common: an error in the words of the kit, and the vectors' default token.

import { OAuthError } from "./errors.mjs";
import { FieldError } from "./validation.mjs";

export const NOW = 1_700_000_000;
export const TOKEN = {
  scope: "music",
  token_type: "Bearer",
  access_token: "ya29.old",
  refresh_token: "1//old",
  expires_at: NOW,
  expires_in: 3599,
};

/** Return the name of an error and its known parts. */
export function described(error) {
  if (error instanceof FieldError) return { raises: "invalid_argument" };
  if (!(error instanceof OAuthError)) throw error;
  const { type, status, interval, key, retryable } = error;
  const isOfStore = ["token_store", "token_file"].includes(type);
  const showRetryable = ["server_error", "transport", "no_valid_token"].includes(type) || (isOfStore && retryable);
  const parts = {
    raises: type,
    error: error.error,
    error_description: error.errorDescription,
    status,
    retry_after: error.retryAfter,
    retryable: showRetryable ? retryable : null,
    interval,
    key,
  };
  return Object.fromEntries(Object.entries(parts).filter(([, value]) => value !== null));
}

/** Return the error with these parts: the reverse of `described`. */
export function madeFrom({ raises, error_description, retry_after, refresh_token, ...parts }) {
  const details = { errorDescription: error_description, retryAfter: retry_after, refreshToken: refresh_token };
  return new OAuthError(raises, { ...parts, ...details });
}
