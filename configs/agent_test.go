package configs

import (
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/uptally/uptally"
)

// What an agent's file leaves out is the default, and its folder is relative to it.
func TestLoadAgent(t *testing.T) {
	dir := write(t, map[string]string{
		"short.yaml": "site: fra1\nserver: https://uptally.example.com:8443\n",
		"long.yaml": "site: fra1\nserver: http://127.0.0.1:8443\ndata: /var/lib/uptally\nspool: { bound: 2GiB, keep: 240h }\nlisten: 127.0.0.1:8081\n" +
			"references: [\"tcp://192.0.2.1:53\"]\n",
		"none.yaml": "site: fra1\nserver: https://uptally.example.com:8443\nspool: { keep: 24h }\nreferences: []\n",
	})
	at := func(name string) string { return filepath.Join(dir, name) }
	ref, err := References([]string{"tcp://192.0.2.1:53"})
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]Agent{
		"short.yaml": {Path: at("short.yaml"), Data: at("data"), Site: "fra1", Server: "https://uptally.example.com:8443", SpoolBound: 1 << 30, SpoolKeep: 72 * int64(uptally.Hour)},
		"long.yaml": {Path: at("long.yaml"), Data: "/var/lib/uptally", Site: "fra1", Server: "http://127.0.0.1:8443", Listen: "127.0.0.1:8081", SpoolBound: 2 << 30,
			SpoolKeep: 240 * int64(uptally.Hour), References: ref},
		"none.yaml": {Path: at("none.yaml"), Data: at("data"), Site: "fra1", Server: "https://uptally.example.com:8443", SpoolBound: 1 << 30, SpoolKeep: 24 * int64(uptally.Hour),
			References: []Reference{}},
	} {
		got, err := LoadAgent(at(name))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if diff := cmp.Diff(want, *got); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
	if _, err := LoadAgent(at("absent.yaml")); err == nil {
		t.Error("a file that is not there: got no error")
	}
}

// The files that docs/agents.md shows are sound.
func TestManualOfAgentsIsValid(t *testing.T) {
	text, err := os.ReadFile("../docs/agents.md")
	if err != nil {
		t.Fatal(err)
	}
	blocks := regexp.MustCompile("(?s)```yaml\n(.*?)```").FindAllStringSubmatch(string(text), -1)
	if len(blocks) != 2 {
		t.Fatalf("got %d blocks of YAML, want two", len(blocks))
	}
	for _, b := range blocks {
		file := filepath.Join(write(t, map[string]string{"a.yaml": b[1]}), "a.yaml")
		for _, p := range validated(file) {
			t.Errorf("%v\n%s", p, b[1])
		}
	}
}
