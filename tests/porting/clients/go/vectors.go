// SPDX-License-Identifier: MIT

// The results of this port for the vectors.
//
// Nothing is sent, and nothing waits. The HTTP client gets a connection that responds by itself, and the clocks are
// fake. Everything between those two is the port as it is.

package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"syscall"
)

func runVectors() {
	lines := bufio.NewReader(os.Stdin)
	for {
		line, err := lines.ReadBytes('\n')
		if len(line) > 0 {
			var vector struct {
				ID, Kind string
				Given    json.RawMessage
			}
			must(line, &vector)
			print(object{"id": vector.ID, "result": resultOf(vector.Kind, vector.Given)})
		}
		if err != nil {
			return
		}
	}
}

// ---- what is given

// A responseGiven is a response of the fake server. `json` stays as it is: it may be no JSON that Go can express.
type responseGiven struct {
	Status      *int
	Headers     map[string]string
	JSON        json.RawMessage
	Text        json.RawMessage
	Base64      []byte
	Failure     string
	Duration    float64
	ClockChange float64 `json:"clock_change"`
}

type given struct {
	responseGiven
	Call         string
	Endpoints    json.RawMessage
	ClientID     *string `json:"client_id"`
	ClientSecret *string `json:"client_secret"`
	Scope        *string
	Parameters   map[string]string
	DeviceCode   *string `json:"device_code"`
	Token        json.RawMessage
	RequestedAt  *float64 `json:"requested_at"`
	Responses    []responseGiven
	Header       *string
	Jitter       *float64
	Code         json.RawMessage
	CodeDuration float64         `json:"code_duration"`
	PollingDelay float64         `json:"polling_delay"`
	ServerText   json.RawMessage `json:"server_text"`
	Field        string
	Beside       map[string]json.RawMessage
	ExpiresAt    int64     `json:"expires_at"`
	ExpiresIn    int64     `json:"expires_in"`
	LoadedAt     []float64 `json:"loaded_at"`
	Now          []float64
	Read         *responseGiven
	Write        json.RawMessage
}

// textOf returns the text of a string, or of a list of strings and `{"repeat": string, "times": n}`.
func textOf(raw json.RawMessage) string {
	var text string
	var list []json.RawMessage
	var repeated struct {
		Repeat string
		Times  int
	}
	switch {
	case raw == nil:
	case raw[0] == '"':
		must(raw, &text)
	case raw[0] == '[':
		must(raw, &list)
		for _, each := range list {
			text += textOf(each)
		}
	default:
		must(raw, &repeated)
		text = strings.Repeat(repeated.Repeat, repeated.Times)
	}
	return text
}

func (r responseGiven) content() []byte {
	switch {
	case r.JSON != nil:
		return r.JSON
	case r.Base64 != nil:
		return r.Base64
	}
	return []byte(textOf(r.Text))
}

func valueOr[T any](given *T, missing T) T {
	if given == nil {
		return missing
	}
	return *given
}

const codeGiven = `"device_code": "AH-1Ng", "user_code": "GQVQ-JKEC",
	"verification_url": "https://www.google.com/device"`

// successes are the responses that a call gets unless others are given.
var successes = map[string]responseGiven{
	"device_authorization": {JSON: json.RawMessage("{" + codeGiven + `, "expires_in": 1800, "interval": 5}`)},
	"token":                {JSON: json.RawMessage(`{"access_token": "ya29.new", "refresh_token": "1//new"}`)},
	"refresh":              {JSON: json.RawMessage(`{"access_token": "ya29.new"}`)},
	"revocation":           {},
}

// ---- a fake network and fake clocks

// A world has fake clocks. Each request gets the next of the responses, and then `otherwise`.
type world struct {
	wall, steady float64
	jitter       float64
	responses    []responseGiven
	otherwise    responseGiven
	waits        []float64
	sentAt       []float64
	lines        []*http.Request
	forms        []string
}

func newWorld(responses []responseGiven, otherwise responseGiven, wall *float64) *world {
	return &world{
		wall: valueOr(wall, startOfVectors), jitter: 0.5, responses: responses, otherwise: otherwise,
		waits: []float64{}, sentAt: []float64{},
	}
}

func (w *world) advance(seconds float64) { w.wall, w.steady = w.wall+seconds, w.steady+seconds }

func (w *world) system() System {
	return System{
		Now:       func() float64 { return w.wall },
		Monotonic: func() float64 { return w.steady },
		Random:    func() float64 { return w.jitter },
		Sleep: func(seconds float64) {
			w.waits = append(w.waits, rounded(seconds))
			w.advance(seconds)
		},
		Post: func(url string, form, headers map[string]string, _ float64) (*reply, *OAuthError) {
			w.sentAt = append(w.sentAt, rounded(w.steady))
			response := w.otherwise
			if len(w.responses) > 0 {
				response, w.responses = w.responses[0], w.responses[1:]
			}
			return post(url, form, headers, transportTimeout, func(context.Context, string, string) (net.Conn, error) {
				return w.connect(response)
			})
		},
	}
}

func (w *world) connect(response responseGiven) (net.Conn, error) {
	moveClocks := func() {
		w.advance(response.Duration)
		w.wall += response.ClockChange
	}
	switch response.Failure {
	case "unreachable":
		moveClocks()
		return nil, &net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}
	case "untrusted":
		moveClocks()
		return nil, x509.UnknownAuthorityError{}
	}
	ours, theirs := net.Pipe()
	go func() {
		defer theirs.Close()
		request, err := http.ReadRequest(bufio.NewReader(theirs))
		if err != nil {
			return
		}
		form, _ := io.ReadAll(request.Body)
		w.lines, w.forms = append(w.lines, request), append(w.forms, string(form))
		moveClocks()
		if response.Failure != "no_response" {
			_, _ = theirs.Write(response.wire())
		}
	}()
	return ours, nil
}

// wire returns the whole response, as it is sent.
func (r responseGiven) wire() []byte {
	content := r.content()
	headers := map[string]string{"Content-Type": "application/json", "Content-Length": fmt.Sprint(len(content))}
	for name, value := range r.Headers {
		headers[name] = value
	}
	var out bytes.Buffer
	fmt.Fprintf(&out, "HTTP/1.1 %d \r\n", valueOr(r.Status, 200))
	for name, value := range headers {
		fmt.Fprintf(&out, "%s: %s\r\n", name, value)
	}
	out.WriteString("\r\n")
	out.Write(content)
	return out.Bytes()
}

// ---- the port, as it is given

func endpointsOf(raw json.RawMessage) Endpoints {
	at := rfc()
	switch string(raw) {
	case `"youtube"`:
		return youtube()
	case `"google"`:
		return google()
	case "", `"rfc"`:
		must([]byte(`{"device_code_url": "https://auth.example/device", "token_url": "https://auth.example/token",
			"revoke_url": "https://auth.example/revoke"}`), &at)
	default:
		must(raw, &at)
	}
	return at
}

func credentialsOf(given given, world *world) (*Credentials, error) {
	credentials, err := newCredentials(
		endpointsOf(given.Endpoints), valueOr(given.ClientID, "the-id"), valueOr(given.ClientSecret, "the-secret"),
		valueOr(given.Scope, oauthScope), given.Parameters, world.system(),
	)
	if err != nil {
		return nil, err
	}
	return credentials, nil
}

func call(given given, world *world) (any, error) {
	credentials, err := credentialsOf(given, world)
	if err != nil {
		return nil, err
	}
	token := "1//held"
	if given.Token != nil {
		must(given.Token, &token)
	}
	switch given.Call {
	case "device_authorization":
		return credentials.getCode()
	case "token":
		return credentials.tokenFromCode(valueOr(given.DeviceCode, "AH-1Ng"))
	case "refresh":
		return credentials.refreshToken(token, mostTries, requestTimeout)
	}
	return nil, credentials.revokeToken(token)
}

// result is a value, or an error in the words of the kit.
func result(value any, err error) any {
	if err != nil {
		return described(err)
	}
	return value
}

func outcomeOf(err error) any { return result("success", err) }

// parsed is the result of a call that gets the response given.
func parsed(given given) (any, error) {
	response := given.responseGiven
	return call(given, newWorld([]responseGiven{response, response, response}, responseGiven{}, given.RequestedAt))
}

// ---- one function for each kind of vector

func resultOf(kind string, raw json.RawMessage) any {
	if kind == "decide" {
		return decideResult(raw)
	}
	if strings.HasPrefix(kind, "cycle-") {
		return cycleResult(raw)
	}
	var given given
	must(raw, &given)
	switch kind {
	case "responses", "error-responses", "invalid-fields":
		return result(parsed(given))
	case "requests":
		return requestResult(given)
	case "endpoints":
		return endpointsResult(raw)
	case "malformed-responses":
		value := result(parsed(given))
		if parts, ok := value.(object); ok {
			delete(parts, "key")
		}
		return value
	case "redaction":
		return redactionResult(given)
	case "expiry-times":
		token := Token{ExpiresAt: given.ExpiresAt, ExpiresIn: given.ExpiresIn}
		snapshot := snapshotOf(token, given.LoadedAt[0], given.LoadedAt[1])
		return object{
			"expiring":     !snapshot.fresh.covers(given.Now[0], given.Now[1]),
			"seconds_left": rounded(snapshot.valid.secondsLeft(given.Now[0], given.Now[1])),
		}
	case "polling-times":
		return pollingResult(given)
	case "retries":
		world := newWorld(given.Responses, successes[given.Call], nil)
		world.jitter = valueOr(given.Jitter, 0.5)
		_, err := call(given, world)
		return object{"waits": world.waits, "outcome": outcomeOf(err)}
	case "refresh":
		return refreshResult(given)
	case "token-files":
		return fileResult(given)
	case "verification-links":
		code := DeviceCode{VerificationURL: "https://a.example/d", UserCode: "GQVQ-JKEC"}
		must(raw, &code)
		link, err := verificationLink(code)
		if err != nil {
			return described(err)
		}
		return link
	case "authorization-header":
		values := defaultToken
		must(raw, &values)
		// Loaded long before it expires, so that nothing is sent.
		before := float64(startOfVectors - values.ExpiresIn)
		return authorizationResult(values, newWorld(nil, responseGiven{}, &before))
	}
	panic("unknown kind of vectors: " + kind)
}

func requestResult(given given) any {
	world := newWorld(nil, successes[given.Call], nil)
	if _, err := call(given, world); err != nil {
		return described(err)
	}
	sent := world.lines[0]
	if given.Header != nil {
		if values := sent.Header.Values(*given.Header); values != nil {
			return strings.Join(values, ", ")
		}
		return nil
	}
	fields := strings.Split(world.forms[0], "&")
	sort.Strings(fields)
	at := endpointsOf(given.Endpoints)
	urls := map[string]string{"device_authorization": at.DeviceCodeURL, "revocation": at.RevokeURL}
	scheme, _, _ := strings.Cut(orElse(urls[given.Call], at.TokenURL), ":")
	return object{"post": scheme + "://" + sent.Host + sent.RequestURI, "form": fields}
}

func endpointsResult(raw json.RawMessage) any {
	at := endpointsOf(nil)
	must(raw, &at)
	if err := at.check(); err != nil {
		return described(err)
	}
	return "accepted"
}

func redactionResult(given given) any {
	name := orElse(given.Field, "error_description")
	body := map[string]any{}
	for key, value := range given.Beside {
		body[key] = value
	}
	body["error"], body[name] = "invalid_scope", textOf(given.ServerText)
	content, err := json.Marshal(body)
	if err != nil {
		panic(err)
	}
	status := 400
	given.JSON, given.Status, given.Call = content, &status, orElse(given.Call, "refresh")
	_, raised := parsed(given)
	return described(raised)[name]
}

func pollingResult(given given) any {
	code := map[string]json.RawMessage{}
	must([]byte("{"+codeGiven+"}"), &code)
	must(given.Code, &code)
	content, err := json.Marshal(code)
	if err != nil {
		panic(err)
	}
	responses := append([]responseGiven{{JSON: content, Duration: given.CodeDuration}}, given.Responses...)
	world := newWorld(responses, successes["token"], nil)
	credentials, err := credentialsOf(given, world)
	if err != nil {
		return described(err)
	}
	shown, err := credentials.getCode()
	if err == nil {
		world.advance(given.PollingDelay)
		_, err = credentials.waitForToken(shown)
	}
	return object{"polls": world.sentAt[1:], "ended_at": rounded(world.steady), "outcome": outcomeOf(err)}
}

func refreshResult(given given) any {
	world := newWorld(given.Responses, responseGiven{}, given.RequestedAt)
	credentials, err := credentialsOf(given, world)
	if err != nil {
		return described(err)
	}
	values := defaultToken
	if given.Token != nil {
		must(given.Token, &values)
	}
	token, invalid := newToken(credentials, values.object(), func(string) {})
	if invalid != nil {
		return described(invalid)
	}
	parts := object{}
	if err := token.refresh(""); err != nil {
		parts = described(err)
	}
	parts["token"] = token.values()
	return parts
}

func fileResult(given given) any {
	folder, err := os.MkdirTemp("", "vectors-")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(folder)
	path := filepath.Join(folder, "oauth.json")
	credentials, err := credentialsOf(given, newWorld(nil, responseGiven{}, nil))
	if err != nil {
		panic(err)
	}
	if given.Read != nil {
		if err := os.WriteFile(path, given.Read.content(), 0o600); err != nil {
			panic(err)
		}
		token, err := load(credentials, newFileStore(path), warn)
		if err != nil {
			return described(err)
		}
		return token.values()
	}
	raw, invalid := jsonObject(given.Write, false)
	if invalid != nil {
		return described(invalid)
	}
	token, invalid := newToken(credentials, raw, warn)
	if invalid != nil {
		return described(invalid)
	}
	token.keepIn(newFileStore(path))
	content, err := os.ReadFile(path)
	if err != nil {
		panic(err)
	}
	return string(content)
}

func authorizationResult(values Token, world *world) any {
	credentials, err := credentialsOf(given{}, world)
	if err != nil {
		return described(err)
	}
	token, invalid := newToken(credentials, values.object(), warn)
	if invalid != nil {
		return described(invalid)
	}
	return result(token.authorization())
}
