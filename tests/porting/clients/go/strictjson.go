// SPDX-License-Identifier: MIT

// Strict JSON (RFC 8259). Go's parser also accepts an object that has a key twice, a number of any length and text that
// is not UTF-8. (`_validation.json_object`, and Python's `json.dumps`)

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

// No number that we need is longer. In other languages, parsing n digits takes n squared steps.
const maxDigits = 20

const mark = "\ufeff"

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
	value, err := valueOf(decoder)
	if err != nil {
		return nil, err
	}
	if object, ok := value.(object); ok {
		return object, nil
	}
	return nil, invalid("is not a JSON object")
}

// valueOf reads the next value of valid JSON. json.Valid has limited its depth.
func valueOf(decoder *json.Decoder) (any, *FieldError) {
	token, _ := decoder.Token()
	switch token {
	case json.Delim('{'):
		members := object{}
		for decoder.More() {
			name, _ := decoder.Token()
			key := name.(string)
			if _, ok := members[key]; ok {
				return nil, invalid("has a key twice")
			}
			value, err := valueOf(decoder)
			if err != nil {
				return nil, err
			}
			members[key] = value
		}
		_, _ = decoder.Token()
		return members, nil
	case json.Delim('['):
		list := []any{}
		for decoder.More() {
			value, err := valueOf(decoder)
			if err != nil {
				return nil, err
			}
			list = append(list, value)
		}
		_, _ = decoder.Token()
		return list, nil
	}
	if number, ok := token.(json.Number); ok && len(number) > maxDigits && between('0', '9')(number.String()[1:]) {
		return nil, invalid("has a number that is too long")
	}
	return token, nil
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
