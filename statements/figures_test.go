package statements

import (
	"bytes"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v6"
)

func TestEvaluationsFollowTheSchema(t *testing.T) {
	c := jsonschema.NewCompiler()
	for id, text := range map[string][]byte{"urn:uptally:statement:1": Schema, "urn:uptally:figures:1": FiguresSchema} {
		doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
		if err != nil {
			t.Fatal(err)
		}
		if err := c.AddResource(id, doc); err != nil {
			t.Fatal(err)
		}
	}
	schema, err := c.Compile("urn:uptally:figures:1")
	if err != nil {
		t.Fatal(err)
	}
	for name, s := range stories(t) {
		e, err := s.Evaluation()
		if err != nil {
			t.Fatal(err)
		}
		data, err := e.JSON()
		if err != nil {
			t.Fatal(err)
		}
		v, err := jsonschema.UnmarshalJSON(bytes.NewReader(data))
		if err != nil {
			t.Fatal(err)
		}
		if err := schema.Validate(v); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		v.(map[string]any)["figures"].([]any)[0].(map[string]any)["downtime_seconds"] = 1.5
		if schema.Validate(v) == nil {
			t.Errorf("%s: a number that is no text was accepted", name)
		}
	}
}

func TestDecimalSeconds(t *testing.T) {
	got := map[int64]string{}
	for _, ms := range []int64{0, 1, 120, 1000, 100_000, 2_678_400_500} {
		got[ms] = decimalSeconds(ms)
	}
	want := map[int64]string{0: "0", 1: "0.001", 120: "0.12", 1000: "1", 100_000: "100", 2_678_400_500: "2678400.5"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}
