package configs

import (
	"reflect"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/uptally/uptally/probes"
)

// Every kind's settings, written and read again, are the same; ExtendSettings, which does not judge, reads all there are.
func TestSettingsAreRead(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := arbitrarySettings(t)
		_, kind, _ := only(&want)
		var w textWriter
		w.block(kind, 0)
		if !blocks(kind) {
			t.Skip("nothing is set")
		}
		got := want
		name, _, field := only(&got)
		field.Set(reflect.New(field.Type().Elem()))
		if err := ExtendSettings(&got, "--with", w.String()); err != nil {
			t.Fatalf("%s: %v\n%s", name, err, w.String())
		}
		if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
			t.Fatalf("(-want +got):\n%s\n%s", diff, w.String())
		}
	})
}

// only returns the one kind of s: its key, its struct, and the field of s.
func only(s *probes.Settings) (name string, kind, field reflect.Value) {
	v := reflect.ValueOf(s).Elem()
	for i := range v.NumField() {
		if f := v.Field(i); !f.IsNil() {
			return v.Type().Field(i).Tag.Get("yaml"), f.Elem(), f
		}
	}
	return "", reflect.Value{}, reflect.Value{}
}

func TestExtendSettings(t *testing.T) {
	s := probes.Settings{HTTP: &probes.HTTP{URL: "https://a.test/", Status: []string{"200"}, TLS: &probes.TLS{MinVersion: "1.3"}}}
	for _, text := range []string{"status: [301]", "tls: { server_name: b.test }", "body: ok"} {
		if err := ExtendSettings(&s, "--with", text); err != nil {
			t.Fatal(err)
		}
	}
	want := probes.Settings{HTTP: &probes.HTTP{URL: "https://a.test/", Status: []string{"301"}, Body: "ok", TLS: &probes.TLS{MinVersion: "1.3", ServerName: "b.test"}}}
	if diff := cmp.Diff(want, s); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for _, tt := range []struct{ text, want string }{
		{"statsu: [200]", `--with: http.statsu: got "statsu", want a known key, perhaps status`},
		{"status", `--with: http: got "status", want a mapping with the keys `},
		{"bearer: hunter2", `--with: http.bearer: got "…", want a mapping with the keys env, file`},
		{"headers:\n  - { name: A, vaule: b }", `--with:2: http.headers[0].vaule: got "vaule", want a known key, perhaps value`},
	} {
		err := ExtendSettings(&s, "--with", tt.text)
		if err == nil || !hasPrefix(err.Error(), tt.want) {
			t.Errorf("%s: got %v, want %s", tt.text, err, tt.want)
		}
	}
}

func hasPrefix(s, prefix string) bool { return len(s) >= len(prefix) && s[:len(prefix)] == prefix }
