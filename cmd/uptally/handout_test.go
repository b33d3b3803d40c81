package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/uptally/uptally"
	"github.com/uptally/uptally/configs"
	"github.com/uptally/uptally/probes"
	"github.com/uptally/uptally/probes/agent/plans"
)

// A site is told its own checks, with what they refer to, and nothing of anybody else's.
func TestHandOut(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"a": "canary-of-ams1\n", "both": "canary-of-both\n", "payload": "canary-in-payload",
		"uptally.yaml": `site: fra1
references: ["tcp://192.0.2.9:53"]
checks:
  - name: only-ams1
    http: { url: "https://a.example.com/", bearer: { file: a } }
    every: 31s
    sites: [ams1]
  - name: only-fra1
    http: { url: "https://b.example.com/", method: POST, payload_file: payload, headers: [{ name: X-Token, secret: { env: UPTALLY_TEST_CANARY } }] }
    every: 31s
  - name: both
    http: { url: "https://c.example.com/", basic: { user: u, password: { file: both } } }
    every: 31s
    sites: [ams1, fra1]
`,
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("UPTALLY_TEST_CANARY", "canary-of-fra1")
	cfg, err := configs.Load(filepath.Join(dir, "uptally.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	settings, err := writeSettings(cfg)
	if err != nil {
		t.Fatal(err)
	}
	var dated []uptally.Plan
	for _, c := range cfg.Checks {
		dated = append(dated, c.Plan)
	}
	out, err := handOut(cfg, dated, settings, nil)
	if err != nil {
		t.Fatal(err)
	}
	for site, want := range map[string]struct{ checks, given []string }{
		"ams1": {[]string{"only-ams1", "both"}, []string{"file a", "file both"}},
		"fra1": {[]string{"only-fra1", "both"}, []string{"env UPTALLY_TEST_CANARY", "file both", "file payload"}},
		"lon1": {},
	} {
		h, err := out.of(site)
		if err != nil {
			t.Fatal(err)
		}
		page, err := plans.Read(h.data, site)
		if err != nil || page.Version != h.version {
			t.Fatalf("%s: got version %q, %v, want %q", site, page.Version, err, h.version)
		}
		var checks []string
		for _, c := range page.Plans.Checks {
			checks = append(checks, c.Plan.Check)
		}
		given := slices.Sorted(maps.Keys(page.Plans.Given))
		if diff := cmp.Diff(want.checks, checks) + cmp.Diff(want.given, given); diff != "" || h.checks != len(checks) {
			t.Errorf("%s: got %d checks, %s", site, h.checks, diff)
		}
		tasks, err := (&plans.Book{}).With(page, 1).Tasks(1)
		if err != nil {
			t.Fatal(err)
		}
		engine := probes.NewEngine()
		for _, task := range tasks { // the agent needs no file and no variable of its own
			if _, err := engine.PrepareFrom(task.Settings, task.Given); err != nil {
				t.Errorf("%s: %v", site, err)
			}
		}
	}
	if again, err := handOut(cfg, dated, settings, nil); err != nil || again["ams1"].version != out["ams1"].version {
		t.Errorf("written again: got another version, %v", err)
	}
	if err := os.Remove(filepath.Join(dir, "a")); err != nil {
		t.Fatal(err)
	}
	if _, err := writeSettings(cfg); err == nil || !strings.HasPrefix(err.Error(), `check "only-ams1": prepare http probe: bearer: read secret: open `) {
		t.Errorf("a secret is gone: got %v", err)
	}
}

// Plans of a check at sites, and since when others have not had it.
func TestMoved(t *testing.T) {
	for _, c := range []struct {
		sites string
		want  map[string]int64
	}{
		{"a", map[string]int64{}},
		{"a b", map[string]int64{"a": 1}},
		{"ab b b", map[string]int64{"a": 1}},
		{"a b ab", map[string]int64{}},
		{"a b ab c", map[string]int64{"a": 3, "b": 3}},
		{"ab b a", map[string]int64{"b": 2}},
	} {
		var past []uptally.Plan
		for i, sites := range strings.Fields(c.sites) {
			past = append(past, uptally.Plan{From: int64(i), Sites: strings.Split(sites, "")})
		}
		if diff := cmp.Diff(c.want, moved(past)); diff != "" {
			t.Errorf("%s: %s", c.sites, diff)
		}
	}
}

// Every field of the settings of every kind travels to an agent and is there what it was.
func TestSettingsTravel(t *testing.T) {
	kinds := reflect.TypeFor[probes.Settings]()
	for i := range kinds.NumField() {
		s := probes.Settings{}
		n := 0
		fill(reflect.ValueOf(&s).Elem().Field(i), &n)
		text, err := json.Marshal(&s)
		if err != nil {
			t.Fatal(err)
		}
		var got probes.Settings
		d := json.NewDecoder(bytes.NewReader(text))
		d.DisallowUnknownFields()
		if err := d.Decode(&got); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(s, got); diff != "" || n < 5 {
			t.Errorf("%s, %d values: %s", kinds.Field(i).Name, n, diff)
		}
	}
}

// fill gives each value within v one of its own; n counts them.
func fill(v reflect.Value, n *int) {
	*n++
	switch v.Kind() {
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem(), n)
	case reflect.Struct:
		for i := range v.NumField() {
			fill(v.Field(i), n)
		}
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		fill(v.Index(0), n)
		fill(v.Index(1), n)
	case reflect.Map:
		key, value := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
		fill(key, n)
		fill(value, n)
		v.Set(reflect.MakeMap(v.Type()))
		v.SetMapIndex(key, value)
	case reflect.String:
		v.SetString(fmt.Sprintf("text <%d> & \"more\"\u2028", *n))
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Uint8, reflect.Uint16, reflect.Uint32:
		v.SetUint(uint64(*n % 200))
	case reflect.Float64:
		v.SetFloat(float64(*n) / 8)
	default:
		v.SetInt(int64(*n))
	}
}
