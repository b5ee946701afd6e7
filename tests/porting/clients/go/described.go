// SPDX-License-Identifier: MIT

// What the driver and its vectors have in common: an error in the words of the kit, and the vectors' default token.

package main

import (
	"encoding/json"
	"math"
)

const startOfVectors = 1_700_000_000

var defaultToken = Token{"music", "Bearer", "ya29.old", "1//old", startOfVectors, 3599}

// described returns the name of an error and its known parts.
func described(err error) object {
	ours, ok := err.(*OAuthError)
	if !ok {
		return object{"raises": "invalid_argument"}
	}
	parts := object{"raises": ours.Name}
	for key, text := range map[string]string{"error": ours.Code, "error_description": ours.Description, "key": ours.Key} {
		if text != "" {
			parts[key] = text
		}
	}
	if ours.Status != 0 {
		parts["status"] = ours.Status
	}
	if ours.Interval != 0 {
		parts["interval"] = ours.Interval
	}
	if ours.RetryAfter != nil {
		parts["retry_after"] = *ours.RetryAfter
	}
	switch ours.Name {
	case "server_error", "transport", "no_valid_token":
		parts["retryable"] = ours.Retryable
	case "token_store", "token_file":
		if ours.Retryable {
			parts["retryable"] = true
		}
	}
	return parts
}

// An errorGiven is an error in the words of the kit.
type errorGiven struct {
	Raises       string   `json:"raises"`
	Error        string   `json:"error"`
	Description  string   `json:"error_description"`
	Status       int      `json:"status"`
	RetryAfter   *float64 `json:"retry_after"`
	Retryable    *bool    `json:"retryable"`
	Interval     int64    `json:"interval"`
	Key          string   `json:"key"`
	RefreshToken string   `json:"refresh_token"`
}

// made returns the error with these parts: the reverse of `described`.
func (e *errorGiven) made() *OAuthError {
	if e == nil {
		return nil
	}
	made := failure(e.Raises, OAuthError{
		Code: e.Error, Description: e.Description, Status: e.Status, RetryAfter: e.RetryAfter, Interval: e.Interval,
		Key: e.Key,
	})
	if e.Retryable != nil {
		made.Retryable = *e.Retryable
	}
	if e.RefreshToken != "" {
		made.refreshToken = func() string { return e.RefreshToken }
	}
	return made
}

func rounded(seconds float64) float64 { return math.Round(seconds*1000) / 1000 }

// must decodes what the kit has written.
func must(content []byte, target any) {
	if err := json.Unmarshal(content, target); err != nil {
		panic(err)
	}
}
