// SPDX-License-Identifier: MIT

// Strict JSON (RFC 8259). Go's parser also accepts text that is not UTF-8. Of a key that is there twice, the last one
// counts. (`_validation.json_object`, and Python's `json.dumps`)

package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

const (
	mark        = "\ufeff"
	notAnObject = "is not a JSON object"
)

// jsonObject parses a JSON object in UTF-8. Rejects a byte order mark unless allowMark. Errors never quote it.
func jsonObject(content []byte, allowMark bool) (object, *FieldError) {
	if !utf8.Valid(content) {
		return nil, invalid("is not UTF-8")
	}
	if allowMark {
		content = bytes.TrimPrefix(content, []byte(mark))
	}
	if !json.Valid(content) {
		return nil, invalid("is not JSON")
	}
	decoder := json.NewDecoder(bytes.NewReader(withoutSurrogates(content)))
	decoder.UseNumber()
	var value any
	_ = decoder.Decode(&value) // it is valid
	if object, ok := value.(object); ok {
		return object, nil
	}
	return nil, invalid(notAnObject)
}

var escapes = regexp.MustCompile(`\\(?:u[0-9a-fA-F]{4}|.)`)

// withoutSurrogates replaces half a surrogate pair, which Go cannot have in a string, by a character that is undefined
// and so as unprintable. Go's own replacement, U+FFFD, is printable.
func withoutSurrogates(content []byte) []byte {
	var high rune
	var highAt int
	found := escapes.FindAllIndex(content, -1)
	for _, at := range found {
		unit := rune(0)
		if at[1]-at[0] == 6 {
			_, _ = fmt.Sscanf(string(content[at[0]+2:at[1]]), "%x", &unit)
		}
		isPair := high != 0 && at[0] == highAt+6 && unit >= 0xdc00 && unit < 0xe000
		if high != 0 && !isPair {
			copy(content[highAt:], `\uffff`)
		}
		high = 0
		if unit >= 0xd800 && unit < 0xdc00 {
			high, highAt = unit, at[0]
		} else if utf16.IsSurrogate(unit) && !isPair {
			copy(content[at[0]:], `\uffff`)
		}
	}
	if high != 0 {
		copy(content[highAt:], `\uffff`)
	}
	return content
}

// asciiText returns text as JSON in ASCII, byte for byte as Python writes it.
func asciiText(text string) string {
	short := map[rune]string{'"': `\"`, '\\': `\\`, '\n': `\n`, '\r': `\r`, '\t': `\t`, '\b': `\b`, '\f': `\f`}
	var out strings.Builder
	for _, sign := range text {
		switch escaped, ok := short[sign]; {
		case ok:
			out.WriteString(escaped)
		case sign >= ' ' && sign <= '~':
			out.WriteRune(sign)
		case sign > 0xffff:
			high, low := utf16.EncodeRune(sign)
			fmt.Fprintf(&out, `\u%04x\u%04x`, high, low)
		default:
			fmt.Fprintf(&out, `\u%04x`, sign)
		}
	}
	return `"` + out.String() + `"`
}
