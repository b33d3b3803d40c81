package main

import (
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// Each name that the command lists prints a schema that a validator compiles.
func TestSchemas(t *testing.T) {
	_, names, _ := command(t, "schema")
	if names != "agent\ninstallation\nagreement\ncalendar\nholidays\nfacts\nstatement\nfigures\n" {
		t.Errorf("got names %q", names)
	}
	compile(t, strings.Fields(names))
	code, _, stderr := command(t, "schema", "agrement")
	if want := "uptally: schema: got \"agrement\", want one of agent, installation, agreement, calendar, holidays, facts, statement, figures\n"; code != exitUsage || stderr != want {
		t.Errorf("got %d %q, want %q", code, stderr, want)
	}
}

// figuresSchema is the schema of what evaluate prints.
func figuresSchema(t *testing.T) *jsonschema.Schema {
	return compile(t, []string{"statement", "figures"})["figures"]
}

// compile reads the schemas that the command prints.
func compile(t *testing.T, names []string) map[string]*jsonschema.Schema {
	t.Helper()
	c, all := jsonschema.NewCompiler(), map[string]*jsonschema.Schema{}
	for _, name := range names {
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
		if all[name], err = c.Compile("urn:uptally:" + name + ":1"); err != nil {
			t.Fatal(err)
		}
	}
	return all
}
