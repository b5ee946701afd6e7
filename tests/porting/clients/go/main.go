// SPDX-License-Identifier: MIT

// The driver of this port (see ../../DRIVER.md). It passes the environment on to the port, and prints one line of JSON.

package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"math"
	"math/rand"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

func main() {
	signal.Ignore(syscall.SIGXFSZ) // a file that may not grow is an error like a full disk, not the end of the program
	if len(os.Args) != 2 {
		warn("usage: client skips | vectors | login | token | refresh | revoke | interactive")
		os.Exit(2)
	}
	switch command := os.Args[1]; command {
	case "skips":
		print(object{})
	case "vectors":
		runVectors()
	case "interactive":
		interactive()
	default:
		result, err := run(command, nil)
		print(replyTo(result, err))
		os.Exit(exitStatus(err))
	}
}

var started = time.Now()

func system() System {
	timeout, err := strconv.ParseFloat(os.Getenv("OAUTH_TIMEOUT"), 64)
	if err != nil {
		timeout = transportTimeout
	}
	return System{
		Now:       func() float64 { return float64(time.Now().UnixMicro()) / 1e6 },
		Monotonic: func() float64 { return time.Since(started).Seconds() },
		Random:    rand.Float64,
		Sleep:     func(seconds float64) { time.Sleep(time.Duration(math.Ceil(seconds*1e6)) * time.Microsecond) },
		Post: func(url string, form, headers map[string]string, seconds float64) (*reply, *OAuthError) {
			return post(url, form, headers, math.Min(seconds, timeout), nil)
		},
	}
}

func makeCredentials() (*Credentials, error) {
	at, ok := map[string]Endpoints{"youtube": youtube(), "google": google()}[os.Getenv("OAUTH_SERVER")]
	if !ok {
		at = rfc()
	}
	at.DeviceCodeURL, at.TokenURL = os.Getenv("OAUTH_DEVICE_CODE_URL"), os.Getenv("OAUTH_TOKEN_URL")
	at.RevokeURL = os.Getenv("OAUTH_REVOKE_URL")
	id, secret := os.Getenv("OAUTH_CLIENT_ID"), os.Getenv("OAUTH_CLIENT_SECRET")
	credentials, err := newCredentials(at, id, secret, os.Getenv("OAUTH_SCOPE"), nil, system())
	if err != nil {
		return nil, err
	}
	return credentials, nil
}

func tokenFromEnvironment() (*RefreshingToken, *Credentials, error) {
	credentials, err := makeCredentials()
	if err != nil {
		return nil, nil, err
	}
	if path := os.Getenv("OAUTH_TOKEN_FILE"); path != "" {
		token, err := load(credentials, newFileStore(path), warn)
		return token, credentials, err
	}
	raw, invalid := jsonObject([]byte(os.Getenv("OAUTH_TOKEN")), false)
	if invalid != nil {
		return nil, nil, invalid
	}
	token, invalid := newToken(credentials, raw, warn)
	if invalid != nil {
		return nil, nil, invalid
	}
	return token, credentials, nil
}

// run carries out a command, with a token that is loaded already, if there is one.
func run(command string, token *RefreshingToken) (any, error) {
	if command == "login" {
		return login()
	}
	var credentials *Credentials
	var err error
	if token == nil {
		if token, credentials, err = tokenFromEnvironment(); err != nil {
			return nil, err
		}
	}
	switch command {
	case "token":
		return asReply(token)
	case "refresh":
		if err := token.refresh(""); err != nil {
			return nil, err
		}
		return asReply(token)
	case "revoke":
		return object{"revoked": true}, credentials.revokeToken(token.values().RefreshToken)
	}
	return nil, invalid("is no command")
}

func login() (any, error) {
	credentials, err := makeCredentials()
	if err != nil {
		return nil, err
	}
	path := os.Getenv("OAUTH_TOKEN_FILE")
	if path != "" {
		if err := newFileStore(path).checkWritable(); err != nil {
			return nil, err
		}
	}
	code, err := credentials.getCode()
	if err != nil {
		return nil, err
	}
	link, _ := verificationLink(code) // valid, or there would be no code
	warn("Go to " + link)
	warn("and confirm there that the code is " + code.UserCode)
	values, err := credentials.waitForToken(code)
	if err != nil {
		return nil, err
	}
	token, invalid := newToken(credentials, values.object(), warn)
	if invalid != nil {
		return nil, invalid
	}
	if path != "" {
		token.keepIn(newFileStore(path))
	}
	return asReply(token)
}

func asReply(token *RefreshingToken) (any, error) {
	authorization, err := token.authorization()
	return object{"authorization": authorization, "token": token.values()}, err
}

func interactive() {
	token, _, err := tokenFromEnvironment()
	if err != nil {
		print(replyTo(nil, err))
		os.Exit(exitStatus(err))
	}
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		command, count, isMany := strings.Cut(strings.TrimSpace(lines.Text()), " ")
		if !isMany {
			print(replyTo(run(command, token)))
			continue
		}
		number, _ := strconv.Atoi(count)
		replies := make([]any, number)
		var calls sync.WaitGroup
		for n := range replies {
			calls.Add(1)
			go func(n int) {
				defer calls.Done()
				replies[n] = replyTo(run(command, token))
			}(n)
		}
		calls.Wait()
		print(replies)
	}
}

// replyTo returns the result of a command, or the error that it raised, which it also tells.
func replyTo(result any, err error) any {
	if err == nil {
		return result
	}
	warn(err.Error())
	return described(err)
}

func exitStatus(err error) int {
	ours, ok := err.(*OAuthError)
	switch {
	case err == nil:
		return 0
	case !ok:
		return 2
	}
	switch ours.Name {
	case "invalid_grant", "access_denied", "expired_token", "token_file_not_found", "cancelled":
		return 1
	}
	if ours.Retryable {
		return 3
	}
	return 2
}

func print(value any) {
	text, err := json.Marshal(value)
	if err != nil {
		panic(err)
	}
	fmt.Println(string(text))
}

func warn(text string) { fmt.Fprintln(os.Stderr, withoutControls(text)) }
