package ledger_test

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/uptally/uptally"
	"github.com/uptally/uptally/ledger/ledgertest"
)

// page is docs/ledger.md, whose examples these tests hold to the code.
func page(t *testing.T) string {
	t.Helper()
	data, err := os.ReadFile("../docs/ledger.md")
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// block returns the fenced text after <!-- name -->.
func block(t *testing.T, name string) string {
	t.Helper()
	_, rest, found := strings.Cut(page(t), "<!-- "+name+" -->\n```")
	_, rest, opened := strings.Cut(rest, "\n")
	text, _, closed := strings.Cut(rest, "\n```\n")
	if !found || !opened || !closed {
		t.Fatalf("docs/ledger.md: got no block %q, want one", name)
	}
	return text
}

// hexOf joins the bytes of a block: at the start of each line, up to two blanks and the remark, or three.
func hexOf(t *testing.T, name string) []byte {
	t.Helper()
	var all []byte
	for line := range strings.Lines(block(t, name)) {
		text := regexp.MustCompile(`^([0-9a-f]{2}([0-9a-f]{2})*  ?)*[0-9a-f]{2}([0-9a-f]{2})*(   |$)`).FindString(strings.TrimRight(line, "\n") + "   ")
		data, err := hex.DecodeString(strings.ReplaceAll(text, " ", ""))
		if err != nil || len(data) == 0 {
			t.Fatalf("block %q: read %q: %v", name, line, err)
		}
		all = append(all, data...)
	}
	return all
}

// examples are the five results of the page.
func examples() []uptally.Result {
	const start = 20_423 * uptally.DayMillis
	slot := func(at int64) uptally.Slot {
		return uptally.Slot{Check: uptally.IDOf("portal-home"), Site: uptally.IDOf("fra1"), At: start + at}
	}
	return []uptally.Result{
		{Slot: slot(4_000), RTT: 12_345},
		{Slot: slot(35_000), RTT: 12_001},
		{Slot: slot(66_000), Late: 2, Reason: uptally.Status, RTT: 9_870, Detail: "got 503, want 200"},
		{Slot: slot(67_000), Reason: uptally.Status, RTT: 9_911, Detail: "got 503, want 200"},
		{Slot: slot(97_000), RTT: 12_500},
	}
}

// What the page shows in hexadecimal is what the decoders read, and what the encoders write.
func TestPageOfBytes(t *testing.T) {
	want := uptally.Batch{
		Agent: 0x0123456789abcdef, Epoch: 0xfedcba9876543210, Seq: 7, Site: uptally.IDOf("fra1"), Day: 20_423,
		ClockOffset: -250, ClockBound: 900, Results: examples(),
	}
	b, err := uptally.DecodeBatch(hexOf(t, "batch"))
	if diff := cmp.Diff(want, b); err != nil || diff != "" {
		t.Errorf("batch: %v %s", err, diff)
	}
	day := uptally.FoldDay(uptally.IDOf("portal-home"), uptally.IDOf("fra1"), 20_423, examples())
	head, err := day.AppendHead(nil)
	if err != nil || !bytes.Equal(head, hexOf(t, "head")) {
		t.Errorf("head: %v: got %x, want %x", err, hexOf(t, "head"), head)
	}
	if body := day.AppendBody(nil); !bytes.Equal(body, hexOf(t, "body")) {
		t.Errorf("body: got %x, want %x", hexOf(t, "body"), body)
	}
	plan, err := uptally.DecodePlan([]byte(block(t, "plan")))
	if err != nil {
		t.Error(err)
	}
	for what, want := range map[string]string{
		"plan digest":   fmt.Sprintf("`%016x`", plan.Digest()),
		"result digest": fmt.Sprintf("`%016x`", examples()[2].Digest()),
		"check":         fmt.Sprintf("`portal-home` is `%v`", uptally.IDOf("portal-home")),
		"site":          fmt.Sprintf("`%v`", uptally.IDOf("fra1")),
	} {
		if !strings.Contains(page(t), want) {
			t.Errorf("docs/ledger.md: %s: got it nowhere, want %s", what, want)
		}
	}
}

// The program of the page reads a ledger with nothing but Python, finds every checksum and digest as it should be, and counts what
// the ledger counts.
func TestPageOfPython(t *testing.T) {
	python, err := exec.LookPath("python3")
	if err != nil {
		if os.Getenv("UPTALLY_REQUIRE_PEERS") != "" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	dir := t.TempDir()
	s := openFor(t, dir)
	ledgertest.Small(t, s)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	program := filepath.Join(dir, "days.py")
	if err := os.WriteFile(program, []byte(block(t, "days.py")+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(python, program, filepath.Join(dir, "ledger.db")).CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	want := `2025-12-01 ams1 portal-home 288 {'down': 7, 'up': 281} up in 14099 µs at the median
2025-12-01 fra1 portal-dns 288 {'down': 7, 'up': 278, 'void': 3} up in 13906 µs at the median
2025-12-01 fra1 portal-home 288 {'down': 7, 'up': 278, 'void': 3} up in 13996 µs at the median
2025-12-02 ams1 portal-home 288 {'down': 7, 'up': 281} up in 13868 µs at the median
2025-12-02 fra1 portal-dns 288 {'down': 7, 'up': 278, 'void': 3} up in 14099 µs at the median
2025-12-02 fra1 portal-home 289 {'down': 8, 'unknown': 1, 'up': 277, 'void': 3} up in 14052 µs at the median
2025-12-03 ams1 portal-home 287 {'down': 7, 'up': 280} not sealed
2025-12-03 fra1 portal-dns 287 {'down': 7, 'up': 277, 'void': 3} up in 14009 µs at the median
2025-12-03 fra1 portal-home 288 {'down': 7, 'up': 278, 'void': 3} up in 14121 µs at the median
`
	if diff := cmp.Diff(want, string(out)); diff != "" {
		t.Errorf("days.py: %s", diff)
	}
}
