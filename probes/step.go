package probes

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// defaultMaxReply bounds the answer to one step of a dialogue, in bytes.
const defaultMaxReply = 64 << 10

// Step sends something, reads until something came, or begins TLS: exactly one of its fields but MaxBytes is given.
type Step struct {
	Send string `yaml:"send"`
	// SendHex is bytes in hexadecimal; blanks between them do not count.
	SendHex string `yaml:"send_hex"`
	// SendGroups is text with groups of the last ExpectRegexp in it, ${1} by number or ${name} by name.
	SendGroups string `yaml:"send_groups"`
	// Expect, ExpectHex and ExpectRegexp read until what came contains the text or the bytes, or matches.
	Expect       string `yaml:"expect"`
	ExpectHex    string `yaml:"expect_hex"`
	ExpectRegexp string `yaml:"expect_regexp"`
	// StartTLS begins TLS, as the tcp kind's TLS block says; once in a dialogue.
	StartTLS bool `yaml:"starttls"`
	// MaxBytes bounds what is read for one expectation (64 KiB).
	MaxBytes int `yaml:"max_bytes"`
}

// upgrades counts the steps that begin TLS.
func (t *TCP) upgrades() int {
	n := 0
	for _, s := range t.Steps {
		if s.StartTLS {
			n++
		}
	}
	return n
}

func (t *TCP) validateSteps(p *problems) {
	if n := t.upgrades(); n > 1 || n == 1 && t.StartTLS != "" {
		p.add("steps", "TLS begun twice", "one starttls")
	}
	groups := regexp.MustCompile("") // of the last expression
	for i, s := range t.Steps {
		at := p.at(fmt.Sprintf("steps[%d]", i))
		s.validate(at)
		if match, err := regexp.Compile(s.ExpectRegexp); err == nil && s.ExpectRegexp != "" {
			groups = match
		}
		if name, ok := unknownGroup(s.SendGroups, groups); !ok {
			at.add("send_groups", name, "a group of the last expect_regexp before it, such as ${1}")
		}
	}
}

func (s Step) validate(p *problems) {
	given := 0
	for _, text := range []string{s.Send, s.SendHex, s.SendGroups, s.Expect, s.ExpectHex, s.ExpectRegexp} {
		if text != "" {
			given++
		}
	}
	if s.StartTLS {
		given++
	}
	if given != 1 {
		p.add("", fmt.Sprintf("%d of them", given), "exactly one of send, send_hex, send_groups, expect, expect_hex, expect_regexp and starttls")
	}
	p.hexadecimal("send_hex", s.SendHex)
	p.hexadecimal("expect_hex", s.ExpectHex)
	p.expression("expect_regexp", s.ExpectRegexp)
	p.between("max_bytes", s.MaxBytes, 1, 1<<20)
}

// hexadecimal demands whole bytes; empty is fine.
func (p *problems) hexadecimal(name, got string) {
	if b, err := parseHex(got); got != "" && (err != nil || len(b) == 0) {
		p.add(name, got, "bytes in hexadecimal, such as 16 03 01")
	}
}

func parseHex(text string) ([]byte, error) {
	return hex.DecodeString(strings.Join(strings.Fields(text), ""))
}

// reference is a group in send_groups.
var reference = regexp.MustCompile(`\$\{([^}]*)\}`)

// unknownGroup returns the first reference of a text that an expression has no group for.
func unknownGroup(text string, match *regexp.Regexp) (string, bool) {
	for _, m := range reference.FindAllStringSubmatch(text, -1) {
		if groupIndex(match, m[1]) < 0 {
			return m[0], false
		}
	}
	return "", true
}

// groupIndex is the number of a group, by number or by name, or -1. The whole match is 0.
func groupIndex(match *regexp.Regexp, name string) int {
	if n, err := strconv.ParseUint(name, 10, 16); err == nil {
		if int(n) <= match.NumSubexp() {
			return int(n)
		}
		return -1
	}
	if name == "" {
		return -1
	}
	return slices.Index(match.SubexpNames(), name)
}

// step is a prepared Step: what to send, what to expect, or neither, which begins TLS.
type step struct {
	phase    string
	send     []byte
	template string // send_groups
	expect   []byte
	match    *regexp.Regexp
	limit    int
}

// prepare expects valid settings.
func (s Step) prepare(i int) step {
	p := step{
		phase: fmt.Sprintf("step %d", i+1), send: []byte(s.Send), template: s.SendGroups, expect: []byte(s.Expect),
		match: compile(s.ExpectRegexp), limit: orNumber(s.MaxBytes, defaultMaxReply),
	}
	if s.SendHex != "" {
		p.send, _ = parseHex(s.SendHex)
	}
	if s.ExpectHex != "" {
		p.expect, _ = parseHex(s.ExpectHex)
	}
	return p
}

// fill puts groups of the last match into the template.
func (s *step) fill(match *regexp.Regexp, groups [][]byte) []byte {
	return []byte(reference.ReplaceAllStringFunc(s.template, func(ref string) string {
		if n := groupIndex(match, ref[2:len(ref)-1]); n >= 0 && n < len(groups) {
			return string(groups[n])
		}
		return ""
	}))
}

// end returns where the expected part of the text ends, or -1.
func (s *step) end(text []byte) int {
	if s.match != nil {
		if at := s.match.FindIndex(text); at != nil {
			return at[1]
		}
		return -1
	}
	if i := bytes.Index(text, s.expect); i >= 0 {
		return i + len(s.expect)
	}
	return -1
}

func (s *step) want() string {
	if s.match != nil {
		return fmt.Sprintf("a match of %q", s.match)
	}
	return fmt.Sprintf("%q", s.expect)
}
