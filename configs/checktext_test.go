package configs

import (
	"bytes"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/uptally/uptally"
	"github.com/uptally/uptally/probes"
)

// arbitrary fills a value of any settings type: text, numbers and switches of all kinds, sensible or not. A list or a map
// is nil or has something in it, as it comes out of a file.
func arbitrary(t *rapid.T, v reflect.Value, name string) {
	if v.Type() == reflect.TypeFor[uptally.Duration]() {
		v.SetInt(rapid.Int64Range(-1000, 1_000_000_000).Draw(t, name))
		return
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString(texts().Draw(t, name))
	case reflect.Bool:
		v.SetBool(rapid.Bool().Draw(t, name))
	case reflect.Pointer:
		if rapid.Bool().Draw(t, name) {
			v.Set(reflect.New(v.Type().Elem()))
			arbitrary(t, v.Elem(), name)
		}
	case reflect.Slice:
		n := rapid.IntRange(0, 2).Draw(t, name)
		for i := range n {
			v.Set(reflect.Append(v, reflect.Zero(v.Type().Elem())))
			arbitrary(t, v.Index(i), name)
		}
	case reflect.Map:
		for range rapid.IntRange(0, 2).Draw(t, name) {
			if v.IsNil() {
				v.Set(reflect.MakeMap(v.Type()))
			}
			item := reflect.New(v.Type().Elem()).Elem()
			arbitrary(t, item, name)
			v.SetMapIndex(reflect.ValueOf(rapid.StringMatching(`[a-z]{1,8}(\.[a-z]{1,3})?`).Draw(t, name)), item)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			arbitrary(t, v.Field(i), name+"."+v.Type().Field(i).Name)
		}
	default:
		if !v.CanInt() {
			t.Fatalf("%s: got a %s, which FormatCheck cannot write", name, v.Type())
		}
		v.SetInt(rapid.Int64Range(-3, 70_000).Draw(t, name))
	}
}

// texts are those that a YAML reader could take for something else, and any others.
func texts() *rapid.Generator[string] {
	odd := []string{"", " ", "yes", "no", "null", "~", "true", "0", "007", "0x1f", "0o17", "1e3", "1.2", "-1", ".5", "1_000", "2026-01-01", "12:30", "=", "<<", "-",
		"a: b", "a #b", "#", "'", "''", `"ok"`, `\`, `^\d+'s"$`, "{", "[a]", "*x", "&x", "!x", "|", ">", "%", "@", "`", "QUIT\r\n", "\t", "\x00", "\x7f", "\u0085", "\u2028", "\ufeff", "ä", "😀", "a\nb\n"}
	return rapid.OneOf(rapid.SampledFrom(odd), rapid.String(), rapid.StringMatching(`[a-z0-9.:/_-]{0,40}`))
}

// arbitrarySettings sets one kind.
func arbitrarySettings(t *rapid.T) (s probes.Settings) {
	v := reflect.ValueOf(&s).Elem()
	f := v.Field(rapid.IntRange(0, v.NumField()-1).Draw(t, "kind"))
	f.Set(reflect.New(f.Type().Elem()))
	arbitrary(t, f.Elem(), f.Type().Elem().Name())
	return s
}

// Whatever a check says, sensible or not, it says again after being written and read: every setting of every kind, and
// every parameter of the plan, those among them that nobody thought of here.
func TestFormatCheckIsRead(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var f checkFile
		v := reflect.ValueOf(&f).Elem()
		for i := range v.NumField() {
			if v.Type().Field(i).Type != reflect.TypeFor[probes.Settings]() {
				arbitrary(t, v.Field(i), v.Type().Field(i).Name)
			}
		}
		f.Cron = rapid.SampledFrom([]string{"", "*/5 * * * *", "0 3 * * 1"}).Draw(t, "cron")
		f.Quorum = new(rapid.IntRange(1, 5).Draw(t, "quorum")) // 0 would be an unfinished plan
		f.Settings = arbitrarySettings(t)
		want := compiledCheck(f)
		text := FormatCheck(want)
		got := compiledCheck(decodedCheck(t, text))
		if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
			t.Fatalf("(-want +got):\n%s\n%s", diff, text)
		}
		if again := FormatCheck(got); !bytes.Equal(again, text) {
			t.Fatalf("got\n%s\nthen\n%s", text, again)
		}
	})
}

func compiledCheck(f checkFile) Check {
	return checkCompiler{d: newDocument("", nil), site: "here", crons: map[string]spacing{}}.check(f)
}

// decoded reads the text of one check as part of an installation, strictly; whether it is sensible is not asked.
func decodedCheck(t *rapid.T, text []byte) checkFile {
	d := parse("uptally.yaml", append([]byte("checks:\n"), text...))
	var f installationFile
	d.decode(&f)
	if len(d.problems) > 0 || len(f.Checks) != 1 {
		t.Fatalf("got %v\n%s", d.problems, text)
	}
	return f.Checks[0]
}

func TestFormatCheck(t *testing.T) {
	everything := probes.Settings{HTTP: &probes.HTTP{
		Reach: probes.Reach{Family: "4"}, URL: "https://portal.example.com/health", Status: []string{"200", "3xx"}, Body: `"ok"`,
		Headers:       []probes.Header{{Name: "Accept", Value: "application/json"}, {Name: "X-Api-Key", Secret: &probes.Secret{Env: "ORDERS_KEY"}}},
		ExpectHeaders: []probes.HeaderRule{{Name: "Content-Type", Regexp: `^text/html; charset=\w+$`}}, TLS: &probes.TLS{MinVersion: "1.3", ExpiresWithin: 336 * uptally.Hour},
	}}
	zero := 0
	for _, tt := range []struct {
		story string
		check Check
		want  string
	}{
		{"what is not said is left to the defaults",
			Check{Plan: uptally.Plan{Check: "portal", Every: 31000}, Probe: probes.Settings{TCP: &probes.TCP{Address: "portal.example.com:443", TLS: &probes.TLS{}}}}, `
- name: portal
  tcp: { address: "portal.example.com:443", tls: {} }
  every: 31s
`},
		{"a long one stands on several lines", Check{Plan: uptally.Plan{Check: "orders", Every: 31000, Timeout: 5000}, Probe: everything}, `
- name: orders
  http:
    url: "https://portal.example.com/health"
    headers:
      - { name: Accept, value: application/json }
      - { name: X-Api-Key, secret: { env: ORDERS_KEY } }
    tls: { expires_within: 336h, min_version: "1.3" }
    status: [200, 3xx]
    expect_headers: [{ name: Content-Type, regexp: '^text/html; charset=\w+$' }]
    body: '"ok"'
    family: 4
  every: 31s
  timeout: 5s
`},
		{"defaults that are written out are left out again: 28 s = 0.9 × 31 s is above the 10 s of the default",
			Check{Plan: uptally.Plan{Check: "ping", Sites: []string{"fra1", "sin1", "gru1"}, Every: 31000, Timeout: 10000, Quorum: 2, Confirm: 5, Recover: 5, Gap: 77500, Focus: true},
				Probe: probes.Settings{ICMP: &probes.ICMP{Host: "192.0.2.1", MaxLoss: &zero}}}, `
- name: ping
  icmp: { host: 192.0.2.1, max_loss: 0 }
  every: 31s
  sites: [fra1, sin1, gru1]
  confirm: 5
  recover: 5
`},
	} {
		t.Run(tt.story, func(t *testing.T) {
			if diff := cmp.Diff(strings.TrimPrefix(tt.want, "\n"), string(FormatCheck(tt.check))); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// Every check of the shipped installation, written and loaded, is the same check.
func TestFormatCheckLoads(t *testing.T) {
	c, err := Load("quickstart.yaml")
	if err != nil {
		t.Fatal(err)
	}
	text := "site: here\nreferences: []\nchecks:\n"
	for _, check := range c.Checks {
		text += string(FormatCheck(check))
	}
	path := filepath.Join(t.TempDir(), "uptally.yaml")
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	got, err := Load(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(c.Checks, got.Checks); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// The checks of docs/probes.md are sound as they stand, its file too.
func TestManualOfProbesHasSoundChecks(t *testing.T) {
	page := manualOfProbes(t)
	blocks := strings.Split(page, "```yaml\nchecks:\n")[1:]
	if len(blocks) == 0 {
		t.Fatal("got no block of checks")
	}
	for _, b := range blocks {
		text, _, _ := strings.Cut(b, "```")
		if err := ValidateCheck([]byte(text)); err != nil {
			t.Errorf("%v\n%s", err, text)
		}
	}
	_, file, _ := strings.Cut(page, "```yaml\n# uptally.yaml\n")
	file, _, _ = strings.Cut(file, "```")
	path := filepath.Join(t.TempDir(), "uptally.yaml")
	if err := os.WriteFile(path, []byte(file), 0o600); err != nil {
		t.Fatal(err)
	}
	if problems, notes := Validate(path); len(problems)+len(notes) > 0 {
		t.Errorf("got %v and %v", problems, notes)
	}
}

// docs/probes.md has each key of a check once, with an example that is sound.
func TestManualOfProbesHasEveryKeyOfACheck(t *testing.T) {
	_, table, _ := strings.Cut(manualOfProbes(t), "| key of a check | default | example | meaning |\n|---|---|---|---|\n")
	table, _, _ = strings.Cut(table, "\n\n")
	var got, want []string
	for _, m := range regexp.MustCompile("(?m)^\\| `([a-z]+)` \\| [^|]+ \\| `([^`]+)` \\| ").FindAllStringSubmatch(table, -1) {
		key, example := m[1], m[2]
		got = append(got, key)
		lines := map[string]string{"name": "a", "every": "31s", "sites": "[a, b, c]"}
		if key == "cron" || key == "spread" {
			delete(lines, "every")
			lines["cron"] = "0 * * * *"
		}
		lines[key] = example
		text := "  - tcp: { address: \"a.test:1\" }\n"
		for _, key := range sortedKeys(lines) {
			text += "    " + key + ": " + lines[key] + "\n"
		}
		if err := ValidateCheck([]byte(text)); err != nil {
			t.Errorf("%s: %v", key, err)
		}
	}
	for f := range reflect.TypeFor[checkFile]().Fields() {
		if key := f.Tag.Get("yaml"); !f.Anonymous {
			want = append(want, key)
		}
	}
	if diff := cmp.Diff(want, got); diff != "" || strings.Count(table, "\n")+1 != len(got) {
		t.Errorf("docs/probes.md: got %d rows (-code +page):\n%s", strings.Count(table, "\n")+1, diff)
	}
}

func manualOfProbes(t *testing.T) string {
	t.Helper()
	page, err := os.ReadFile("../docs/probes.md")
	if err != nil {
		t.Fatal(err)
	}
	return string(page)
}
