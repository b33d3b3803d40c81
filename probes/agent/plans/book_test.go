package plans

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/uptally/uptally"
	"github.com/uptally/uptally/ledger/delivery"
	"github.com/uptally/uptally/probes"
)

// planOf is a plan of a check at two sites from an instant on.
func planOf(check string, from int64) uptally.Plan {
	return uptally.Plan{Check: check, From: from, Sites: []string{"fra1", "ams1"}, Every: 10_000, Timeout: 5_000, Quorum: 1, Confirm: 1, Recover: 1,
		Gap: 25_000, Kind: "tcp", Target: "192.0.2.1:443"}
}

// handed is a set of plans as a server hands it out; its settings differ by port.
func handed(port int, moved []delivery.MovedCheck, ps ...uptally.Plan) []byte {
	set := delivery.Plans{Site: "fra1", References: []string{"tcp://192.0.2.9:53"}, Checks: []delivery.PlannedCheck{}, Moved: moved, Given: map[string][]byte{"file token": []byte("canary")}}
	for _, p := range ps {
		text, err := json.Marshal(probes.Settings{TCP: &probes.TCP{Address: fmt.Sprintf("192.0.2.1:%d", port)}})
		if err != nil {
			panic(err)
		}
		set.Checks = append(set.Checks, delivery.PlannedCheck{Plan: p, Settings: text})
	}
	data, err := json.Marshal(set)
	if err != nil {
		panic(err)
	}
	return data
}

func with(t *testing.T, b *Book, now int64, data []byte) *Book {
	t.Helper()
	p, err := Read(data, "fra1")
	if err != nil {
		t.Fatal(err)
	}
	return b.With(p, now)
}

// says lists tasks as check@from:port, or check@from:- where nothing is measured.
func says(t *testing.T, b *Book, now int64) string {
	t.Helper()
	tasks, err := b.Tasks(now)
	if err != nil {
		t.Fatal(err)
	}
	var words []string
	for _, task := range tasks {
		port := "-"
		if task.Settings != nil {
			_, port, _ = strings.Cut(task.Settings.TCP.Address, ":")
			if string(task.Given["file token"]) != "canary" {
				t.Errorf("%s: got %q of what it refers to", task.Plan.Check, task.Given)
			}
		}
		if here := task.Plan.Rank("fra1") >= 0; here != (task.Settings != nil) {
			t.Errorf("%s: is it measured here: got %t of the plan, and settings %v", task.Plan.Check, here, task.Settings)
		}
		words = append(words, fmt.Sprintf("%s@%d:%s", task.Plan.Check, task.Plan.From, port))
	}
	return strings.Join(words, " ")
}

// A check goes on under its old plan, with its old settings, until the new one is in force; what is over stays a minute for slots that wait.
func TestBook(t *testing.T) {
	type step struct {
		now   int64
		data  []byte
		want  string
		pages int
	}
	a, b := planOf("a", 1_000), planOf("b", 2_000)
	a2, a3 := planOf("a", 500_000), planOf("a", 700_000)
	for name, steps := range map[string][]step{
		"a new plan": {
			{100_000, handed(1, nil, a, b), "a@1000:1 b@2000:1", 1},
			{400_000, handed(2, nil, a2, b), "a@1000:1 a@500000:2 b@2000:2", 2},
			{410_000, handed(3, nil, a3, b), "a@1000:1 a@500000:2 a@700000:3 b@2000:3", 3},
			{600_000, handed(4, nil, a3, b), "a@500000:2 a@700000:4 b@2000:4", 2}, // it was in force until a moment ago
			{770_000, handed(5, nil, a3, b), "a@700000:5 b@2000:5", 1},
		},
		"a server that has not read its files anew": {
			{100_000, handed(1, nil, a), "a@1000:1", 1},
			{400_000, handed(2, nil, a2, b), "a@1000:1 a@500000:2 b@2000:2", 2},
			{401_000, handed(1, nil, a), "a@1000:1 a@500000:2 b@2000:2 b@461000:-", 3},
			{402_000, handed(2, nil, a2, b), "a@1000:1 a@500000:2 b@2000:2", 2},
			{600_000, handed(1, nil, a), "a@500000:2 b@2000:2 b@660000:-", 2},
			{601_000, handed(2, nil, a2, b), "a@500000:2 b@2000:2", 1},
		},
		"a ledger that was set back": {
			{400_000, handed(1, nil, a2), "a@500000:1", 1},
			{4_000_000, handed(2, nil, a), "a@1000:2", 1},
		},
		"settings change at once": {
			{100_000, handed(1, nil, a), "a@1000:1", 1},
			{200_000, handed(2, nil, a), "a@1000:2", 1},
		},
		"a check goes": {
			{100_000, handed(1, nil, a, b), "a@1000:1 b@2000:1", 1},
			{200_000, handed(2, nil, a), "a@1000:2 b@2000:1 b@260000:-", 2},
			{300_000, handed(3, nil, a), "a@1000:3 b@2000:1 b@260000:-", 3},
			{320_000, handed(4, nil, a), "a@1000:4", 1},
			{330_000, handed(4, nil, a, b), "a@1000:4 b@2000:4", 1},
		},
		"a check moves": {
			{100_000, handed(1, nil, a, b), "a@1000:1 b@2000:1", 1},
			{200_000, handed(2, []delivery.MovedCheck{{Check: "b", At: 250_000}}, a), "a@1000:2 b@2000:1 b@250000:-", 2},
			{249_000, handed(2, []delivery.MovedCheck{{Check: "b", At: 250_000}}, a), "a@1000:2 b@2000:1 b@250000:-", 3},
			{400_000, handed(2, []delivery.MovedCheck{{Check: "b", At: 250_000}}, a), "a@1000:2", 1},
		},
		"nothing any more": {
			{100_000, handed(1, nil, a), "a@1000:1", 1},
			{200_000, handed(1, nil), "a@1000:1 a@260000:-", 2},
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir, book := t.TempDir(), &Book{}
			for _, s := range steps {
				book = with(t, book, s.now, s.data)
				if got := says(t, book, s.now); got != s.want || len(book.Pages) != s.pages {
					t.Errorf("at %d: got %q on %d pages, want %q on %d", s.now, got, len(book.Pages), s.want, s.pages)
				}
				if err := book.Save(dir); err != nil {
					t.Fatal(err)
				}
				kept, err := Open(dir)
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(book, kept); diff != "" {
					t.Errorf("kept: %s", diff)
				}
				if book.Version() != delivery.PlansVersion(s.data) || len(book.References()) != 1 {
					t.Errorf("got version %q and references %q", book.Version(), book.References())
				}
			}
			if info, err := os.Stat(filepath.Join(dir, fileName)); err != nil || info.Mode().Perm() != 0o600 {
				t.Errorf("got %v, %v, want mode 0600", info, err)
			}
			if left, err := os.ReadDir(dir); err != nil || len(left) != 1 {
				t.Errorf("got %v, %v, want one file", left, err)
			}
		})
	}
}

func TestReadRefuses(t *testing.T) {
	sound := string(handed(1, nil, planOf("a", 1_000)))
	for _, c := range []struct{ old, new, want string }{
		{`"site":"fra1"`, `"site":"ams1"`, `read plans: got site "ams1", want "fra1"`},
		{`"site":`, `"sight":`, `read plans: json: unknown field "sight"`},
		{`"every_ms":`, `"now_and_then_ms":`, `read plans: json: unknown field "now_and_then_ms"`},
		{`"TCP":{`, `"TCP":{"Later":true,`, `read plans: settings of check "a": json: unknown field "Later"`},
		{`"TCP":{`, `"QUIC":{`, `read plans: settings of check "a": json: unknown field "QUIC"`},
		{`"kind":"tcp"`, `"kind":"dns"`, `read plans: settings of check "a": got kind "tcp", want "dns"`},
		{`"quorum":1`, `"quorum":3`, `read plans: schedule check "a": quorum: got "3", want 1 to 2, the number of sites`},
		{`}`, ``, ""},
	} {
		text := strings.Replace(sound, c.old, c.new, 1)
		if c.want == "" {
			text, c.want = sound+"{}", "read plans: got more behind the plans, want their end"
		}
		if _, err := Read([]byte(text), "fra1"); err == nil || err.Error() != c.want {
			t.Errorf("%s: got %v, want %s", c.new, err, c.want)
		}
	}
}

func TestOpenRefuses(t *testing.T) {
	dir := t.TempDir()
	if b, err := Open(dir); err != nil || b.Version() != "" || b.References() != nil {
		t.Errorf("an empty folder: got %+v, %v, want an empty book", b, err)
	}
	path := filepath.Join(dir, fileName)
	if err := os.WriteFile(path, []byte(`{"pages":[{"vers`), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(dir); err == nil || err.Error() != fmt.Sprintf("open plans %q: unexpected EOF", path) {
		t.Errorf("a torn file: got %v", err)
	}
	later := strings.NewReplacer(`"TCP":{`, `"QUIC":{`).Replace(string(handed(1, nil, planOf("a", 1_000))))
	if err := os.WriteFile(path, []byte(`{"pages":[{"version":"1","at":5,"plans":`+later+`}]}`), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(dir); err == nil || err.Error() != fmt.Sprintf("open plans %q: settings of check \"a\": json: unknown field \"QUIC\"", path) {
		t.Errorf("of a newer program: got %v", err)
	}
}

// Whatever comes, it is refused or can be measured: its tasks are read without an error, now and from the file.
func FuzzRead(f *testing.F) {
	f.Add(handed(1, nil, planOf("a", 1_000), planOf("b", 9_000)))
	f.Add(handed(1, []delivery.MovedCheck{{Check: "a", At: 5}}, planOf("b", 9_000)))
	f.Add([]byte(`{"site":"fra1","references":null,"checks":[{"plan":{},"settings":{}}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		p, err := Read(data, "fra1")
		if err != nil {
			return
		}
		b := (&Book{}).With(p, 5_000).With(p, 9_000)
		if _, err := b.Tasks(9_000); err != nil {
			t.Fatal(err)
		}
		dir := t.TempDir()
		if err := b.Save(dir); err != nil {
			t.Fatal(err)
		}
		if _, err := Open(dir); err != nil {
			t.Fatal(err)
		}
	})
}
