package probes

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"strings"

	"github.com/itchyny/gojq"

	"github.com/uptally/uptally"
)

// maxYields bounds what a jq program may yield of one body.
const maxYields = 10_000

// compileJSON compiles a jq program; nil for none. The library's defaults are what keeps it harmless: no environment, no
// further input, no modules, no debug output.
func compileJSON(program string) (*gojq.Code, error) {
	if program == "" {
		return nil, nil
	}
	q, err := gojq.Parse(program)
	if err != nil {
		return nil, err
	}
	return gojq.Compile(q)
}

// judgeJSON runs a program on a body that must be exactly one JSON value. It must yield something, and nothing but true.
func judgeJSON(r *run, code *gojq.Code, body []byte) *fault {
	value, err := decodeJSON(body)
	if err != nil {
		return faultf(uptally.JSON, "got no JSON: %v", err)
	}
	yields := code.RunWithContext(r.ctx, value)
	for n := 0; ; n++ {
		switch got, more := yields.Next(); {
		case !more && n == 0:
			return faultf(uptally.JSON, "the program yielded nothing, want true")
		case !more:
			return nil
		case n == maxYields:
			return faultf(uptally.JSON, "the program yielded more than %d values, want true", maxYields)
		case got != true:
			return r.denied(got)
		}
	}
}

// denied says what a program yielded instead of true; an error, halting among them, is a value too.
func (r *run) denied(got any) *fault {
	err, failed := got.(error)
	switch {
	case failed && errors.Is(err, context.Canceled):
		return faultf(uptally.AgentDown, "cancelled while the program ran")
	case failed && errors.Is(err, context.DeadlineExceeded):
		return faultf(uptally.JSON, "the deadline passed while the program ran")
	case failed: // the library quotes half of the value in brackets, which may be half of a secret
		what, _, _ := strings.Cut(err.Error(), " (")
		return faultf(uptally.JSON, "the program failed: %s", what)
	}
	text, err := gojq.Marshal(got)
	if err != nil {
		return faultf(uptally.JSON, "the program failed: %v", err)
	}
	return faultf(uptally.JSON, "the program yielded %s, want true", r.hide.start(text, 80))
}

// decodeJSON reads exactly one value. Numbers stay as they are written, so that long ones are compared exactly.
func decodeJSON(body []byte) (value any, err error) {
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	if err := d.Decode(&value); err != nil {
		return nil, err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("more than one value")
	}
	return value, nil
}
