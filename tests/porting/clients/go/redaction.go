// SPDX-License-Identifier: MIT

// What of a server's text may be shown: no secret, and nothing that controls a terminal. (`_redaction.py`)
//
// A server may repeat a secret in any spelling: percent-encoded, as JSON inside JSON, with HTML entities, in several of
// these at once, cut off, or broken into lines. So text and secrets are decoded until nothing changes, and compared
// without blanks, and again on letters and digits alone. Eight characters of a secret in a row are enough to drop the
// text.

package main

import (
	"encoding/hex"
	"regexp"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

const (
	maxSearched = 4000   // characters; searching a long text for secrets takes too long
	maxShown    = 300    // characters
	maxSecrets  = 50     // secrets that are searched for; a response has four
	maxSecret   = 65_536 // characters of all of them: no header field has room for more
	runLength   = 8      // characters of a secret in a row that must not be shown; a shorter one is hidden as a word
	maxLayers   = 20     // more layers of encoding than any server adds by mistake
	hidden      = "[redacted]"
)

// withoutControls replaces everything that controls a terminal with spaces: one line.
func withoutControls(text string) string {
	return strings.Map(func(sign rune) rune {
		if unprintable(sign) {
			return ' '
		}
		return sign
	}, text)
}

// sanitized makes untrusted text safe to print: one short line without control characters.
func sanitized(text string) string { return first(withoutControls(text), maxShown) }

func first(text string, length int) string {
	if signs := []rune(text); len(signs) > length {
		return string(signs[:length])
	}
	return text
}

// redacted returns the text, sanitized, if it has no part of a secret; else "[redacted]". What a secret has in common
// with a shared value, such as the client id, is no part of it. Returns "" for text that is too long to search.
func redacted(text string, secrets, shared []string) string {
	if utf8.RuneCountInString(text) > maxSearched {
		return ""
	}
	decoded, ok := decode(text)
	if !ok || len(secrets) > maxSecrets || utf8.RuneCountInString(strings.Join(secrets, "")) > maxSecret {
		return hidden
	}
	runs := map[string]bool{}
	addRuns(runs, solid(decoded))
	// Decoding may take the first characters of a secret that follows a `\` or a `%` for a part of an escape.
	addRuns(runs, solid(text))
	for _, value := range shared {
		others := map[string]bool{}
		addRuns(others, solid(value))
		for run := range others {
			delete(runs, run)
		}
	}
	for _, secret := range secrets {
		plain, _ := decode(secret)
		plain = orElse(plain, secret)
		compared, parts := solid(plain), map[string]bool{}
		addRuns(parts, compared)
		addRuns(parts, solid(secret))
		for run := range parts {
			if runs[run] {
				return hidden
			}
		}
		if length := utf8.RuneCountInString(compared); length > 0 && length < runLength {
			text = withoutWord(text, secret)
			again, ok := decode(text)
			if !ok || withoutWord(again, plain) != again {
				return hidden
			}
		}
	}
	return sanitized(text)
}

// contains says whether a text contains the whole of a secret, also in escapes. A "+" counts as a blank, as in a form.
// True if it has too many layers of escapes, or if there are too many secrets.
func contains(text string, secrets ...string) bool {
	decoded, ok := decode(text)
	if !ok || len(secrets) > maxSecrets {
		return true
	}
	compared := func(form string) string { return strings.ReplaceAll(solid(form), "+", "") }
	searched := compared(text + decoded)
	for _, secret := range secrets {
		plain, _ := decode(secret)
		if strings.Contains(searched, compared(secret)) || strings.Contains(searched, compared(orElse(plain, secret))) {
			return true
		}
	}
	return false
}

// The entities of HTML for ASCII. Servers escape what has a meaning in HTML, and some escape all punctuation.
var entities = map[string]string{
	"excl": "!", "quot": `"`, "num": "#", "dollar": "$", "percnt": "%", "amp": "&", "apos": "'", "lpar": "(", "rpar": ")",
	"ast": "*", "midast": "*", "plus": "+", "comma": ",", "period": ".", "sol": "/", "colon": ":", "semi": ";", "lt": "<",
	"equals": "=", "gt": ">", "quest": "?", "commat": "@", "lsqb": "[", "lbrack": "[", "bsol": `\`, "rsqb": "]",
	"rbrack": "]", "hat": "^", "lowbar": "_", "grave": "`", "lcub": "{", "lbrace": "{", "verbar": "|", "vert": "|",
	"rcub": "}", "rbrace": "}", "nbsp": " ", "tab": "\t", "newline": "\n",
}

var (
	percents   = regexp.MustCompile(`%(?:25)+`)
	encoded    = regexp.MustCompile(`(?i)(?:%[0-9a-f]{2})+`)
	ampersands = regexp.MustCompile(`(?i)&(?:amp;|#0*38;|#x0*26;)+`)
	entity     = regexp.MustCompile(`(?i)&(?:#(\d{1,7});?|#x([0-9a-f]{1,6});?|([a-z]+);|(amp|lt|gt|quot|nbsp))`)
	breaks     = regexp.MustCompile(`(?i)<w?br\s*/?>`)
	// A backslash escape of JSON or of a programming language, with all the backslashes before it.
	escape = regexp.MustCompile(`(?is)\\+(?:u([0-9a-f]{4})|x([0-9a-f]{2})|(.?))`)
)

// decode undoes every encoding, until nothing changes. Returns false if there are too many layers.
func decode(text string) (string, bool) {
	for layer := 0; layer < maxLayers; layer++ {
		before := text
		text = encoded.ReplaceAllStringFunc(percents.ReplaceAllString(text, "%"), func(bytes string) string {
			plain, _ := hex.DecodeString(strings.ReplaceAll(bytes, "%", ""))
			return strings.ToValidUTF8(string(plain), "\ufffd")
		})
		text = replaced(entity, ampersands.ReplaceAllString(text, "&"), unescaped)
		text = replaced(escape, breaks.ReplaceAllString(text, " "), func(parts []string) string {
			if code := parts[1] + parts[2]; code != "" {
				return character(code, 16)
			}
			if parts[3] != "" && strings.Contains("abfnrtv0", parts[3]) {
				return " "
			}
			return parts[3]
		})
		if text == before {
			return text, true
		}
	}
	return "", false
}

func replaced(pattern *regexp.Regexp, text string, replacement func(parts []string) string) string {
	return pattern.ReplaceAllStringFunc(text, func(found string) string {
		return replacement(pattern.FindStringSubmatch(found))
	})
}

func unescaped(parts []string) string {
	if parts[1] != "" {
		return character(parts[1], 10)
	}
	if parts[2] != "" {
		return character(parts[2], 16)
	}
	if plain, ok := entities[strings.ToLower(parts[3]+parts[4])]; ok {
		return plain
	}
	return parts[0]
}

func character(code string, base int) string {
	if point, err := strconv.ParseInt(code, base, 32); err == nil && point > 0 && utf8.ValidRune(rune(point)) {
		return string(rune(point))
	}
	return "\ufffd"
}

func isBlank(sign rune) bool {
	return unicode.IsSpace(sign) || sign >= 0x1c && sign <= 0x1f || sign == 0xfeff
}

func solid(text string) string {
	return strings.Map(func(sign rune) rune {
		if isBlank(sign) {
			return -1
		}
		return sign
	}, strings.ToLower(text))
}

func addRuns(runs map[string]bool, solidText string) {
	plain := strings.Map(func(sign rune) rune {
		if sign >= '0' && sign <= '9' || sign >= 'a' && sign <= 'z' {
			return sign
		}
		return -1
	}, solidText)
	for _, form := range []string{solidText, plain} {
		signs := []rune(form)
		for start := 0; start+runLength <= len(signs); start++ {
			runs[string(signs[start:start+runLength])] = true
		}
	}
}

func inWord(sign rune) bool { return unicode.IsLetter(sign) || unicode.IsNumber(sign) || sign == '_' }

// withoutWord hides a text where it is a word. A hyphen or a full stop inside a word does not end it: `code` is not a
// word in `device-code`.
func withoutWord(text, word string) string {
	pattern := regexp.MustCompile("(?i)" + regexp.QuoteMeta(word))
	var out strings.Builder
	done, from := 0, 0
	for {
		found := pattern.FindStringIndex(text[from:])
		if found == nil {
			return out.String() + text[done:]
		}
		start, end := from+found[0], from+found[1]
		before, size := utf8.DecodeLastRuneInString(text[:start])
		further, _ := utf8.DecodeLastRuneInString(text[:start-size])
		after, size := utf8.DecodeRuneInString(text[end:])
		beyond, _ := utf8.DecodeRuneInString(text[end+size:])
		if continues(before, further) || continues(after, beyond) {
			_, size := utf8.DecodeRuneInString(text[start:])
			from = start + size
			continue
		}
		out.WriteString(text[done:start] + hidden)
		done, from = end, end
	}
}

// continues says whether a word goes on with this sign, and the one after it.
func continues(sign, further rune) bool {
	return inWord(sign) || sign == '-' || sign == '.' && inWord(further)
}
