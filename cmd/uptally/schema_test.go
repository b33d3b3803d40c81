package main

import (
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// Each name that the command lists prints a schema that a validator compiles.
func TestSchemas(t *testing.T) {
	_, names, _ := command(t, "schema")
	if names != "installation\nagreement\ncalendar\nholidays\nfacts\nstatement\nfigures\n" {
		t.Errorf("got names %q", names)
	}
	c := jsonschema.NewCompiler()
	for name := range strings.Lines(names) {
		name = strings.TrimSpace(name)
		code, out, stderr := command(t, "schema", name)
		if code != exitDone {
			t.Fatalf("%s: got %d: %s", name, code, stderr)
		}
		doc, err := jsonschema.UnmarshalJSON(strings.NewReader(out))
		if err != nil {
			t.Fatal(err)
		}
		if err := c.AddResource("urn:uptally:"+name+":1", doc); err != nil {
			t.Fatal(err)
		}
		if _, err := c.Compile("urn:uptally:" + name + ":1"); err != nil {
			t.Error(err)
		}
	}
	code, _, stderr := command(t, "schema", "agrement")
	if want := "uptally: schema: got \"agrement\", want one of installation, agreement, calendar, holidays, facts, statement, figures\n"; code != exitUsage || stderr != want {
		t.Errorf("got %d %q, want %q", code, stderr, want)
	}
}
