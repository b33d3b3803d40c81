package uptally_test

import (
	"encoding/hex"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/uptally/uptally"
)

func home() uptally.Plan {
	return uptally.Plan{
		Check: "portal-home", From: 1_764_547_200_000, Sites: []string{"fra1", "sin1", "gru1"}, Every: 31_000, Timeout: 10_000,
		Quorum: 2, Confirm: 3, Recover: 3, Gap: 77_500, Kind: "http", Target: "https://portal.example.com/health?a=1&b=<2>",
	}
}

const homeJSON = `{"check":"portal-home","from":1764547200000,"sites":["fra1","sin1","gru1"],"every_ms":31000,"timeout_ms":10000,` +
	`"quorum":2,"confirm":3,"recover":3,"gap_ms":77500,"kind":"http","target":"https://portal.example.com/health?a=1&b=<2>"}`

func TestPlanBytes(t *testing.T) {
	p := home()
	if got := string(uptally.AppendPlan(nil, p)); got != homeJSON {
		t.Errorf("bytes:\ngot  %s\nwant %s", got, homeJSON)
	}
	if got, want := p.Digest(), uint64(0xc590bb707c15de3d); got != want {
		t.Errorf("digest: got %#x, want %#x", got, want)
	}
	got, err := uptally.DecodePlan([]byte(homeJSON))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(p, got); diff != "" {
		t.Error(diff)
	}
}

func TestDecodePlanRefuses(t *testing.T) {
	for name, text := range map[string]string{
		"blank":         ` ` + homeJSON,
		"trailing":      homeJSON + `{}`,
		"other order":   `{"from":0,"check":"a","sites":[],"timeout_ms":0,"quorum":0,"confirm":0,"recover":0,"gap_ms":0,"kind":"","target":""}`,
		"null sites":    `{"check":"a","from":0,"sites":null,"timeout_ms":0,"quorum":0,"confirm":0,"recover":0,"gap_ms":0,"kind":"","target":""}`,
		"unknown field": `{"check":"a","from":0,"sites":[],"timeout_ms":0,"quorum":0,"confirm":0,"recover":0,"gap_ms":0,"kind":"","target":"","x":1}`,
		"zero interval": `{"check":"a","from":0,"sites":[],"every_ms":0,"timeout_ms":0,"quorum":0,"confirm":0,"recover":0,"gap_ms":0,"kind":"","target":""}`,
		"fraction":      `{"check":"a","from":0.5,"sites":[],"timeout_ms":0,"quorum":0,"confirm":0,"recover":0,"gap_ms":0,"kind":"","target":""}`,
		"nothing":       ``,
	} {
		if p, err := uptally.DecodePlan([]byte(text)); err == nil {
			t.Errorf("%s: got %+v, want an error", name, p)
		}
	}
}

// The stagger of docs/measuring.md: site i of n probes at hash mod I + i·I/n, modulo I.
func TestPlanPhase(t *testing.T) {
	p := home()
	id := uptally.IDOf("portal-home")
	if got, want := id.String(), "91391e26af788579"; got != want {
		t.Fatalf("id: got %s, want %s", got, want)
	}
	// 0x91391e26af788579 mod 31000 = 1929; + 10333 = 12262; + 20666 = 22595
	var got []int64
	for rank := range p.Sites {
		got = append(got, p.Phase(rank))
	}
	if want := []int64{1929, 12262, 22595}; !slices.Equal(got, want) {
		t.Errorf("phases: got %v, want %v", got, want)
	}
	p.Check = "portal-api" // 29086 + 10333 = 39419 − 31000
	if got := p.Phase(1); got != 8419 {
		t.Errorf("phase that wraps: got %d, want 8419", got)
	}
	if got := p.Rank("gru1"); got != 2 {
		t.Errorf("rank of gru1: got %d, want 2", got)
	}
	if got := p.Rank("lhr1"); got != -1 {
		t.Errorf("rank of lhr1: got %d, want -1", got)
	}
	p.Every, p.Cron = 0, "*/5 * * * *"
	if got := p.Phase(1); got != 0 {
		t.Errorf("phase of a cron check: got %d, want 0", got)
	}
}

func TestPlanSameTerms(t *testing.T) {
	p, later := home(), home()
	later.From += 31_000
	if !p.SameTerms(later) {
		t.Error("only From differs: got other terms, want the same")
	}
	appended := home()
	appended.Sites = append(appended.Sites, "lhr1")
	if p.SameTerms(appended) {
		t.Error("a site more: got the same terms, want others")
	}
}

func TestPlanValidate(t *testing.T) {
	if ps := home().Validate(); len(ps) > 0 {
		t.Errorf("got %v, want none", ps)
	}
	bad := uptally.Plan{Sites: []string{"fra1", "fra1", "\xff"}, Every: 30_000, Cron: "* * *", Spread: -1, Timeout: 30_000, Quorum: 4, Gap: 29_999, Kind: "http", Target: "x"}
	var got []string
	for _, p := range bad.Validate() {
		got = append(got, p.String())
	}
	want := []string{
		`check: got nothing, want a text in UTF-8`,
		`every_ms: got "30000", want either an interval or a cron expression`,
		`cron: got "* * *", want five fields, such as */5 * * * *`,
		`spread_ms: got "-1", want 0, or more for a cron check`,
		`sites[1]: got "fra1", want each site once`,
		`sites[2]: got "\xff", want a text in UTF-8`,
		`timeout_ms: got "30000", want more than 0 and less than the interval`,
		`quorum: got "4", want 1 to 3, the number of sites`,
		`confirm: got "0", want at least 1`,
		`recover: got "0", want at least 1`,
		`gap_ms: got "29999", want more than 0 and no less than the interval`,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestPlanRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := uptally.Plan{
			Check: rapid.String().Draw(t, "check"), From: rapid.Int64().Draw(t, "from"),
			Sites: rapid.SliceOf(rapid.String()).Draw(t, "sites"), Every: rapid.Int64().Draw(t, "every"),
			Cron: rapid.String().Draw(t, "cron"), Spread: rapid.Int64().Draw(t, "spread"), Timeout: rapid.Int64().Draw(t, "timeout"),
			Quorum: rapid.Int().Draw(t, "quorum"), Confirm: rapid.Int().Draw(t, "confirm"), Recover: rapid.Int().Draw(t, "recover"),
			Gap: rapid.Int64().Draw(t, "gap"), Kind: rapid.String().Draw(t, "kind"), Target: rapid.String().Draw(t, "target"),
		}
		got, err := uptally.DecodePlan(uptally.AppendPlan(nil, p))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(p, got); diff != "" {
			t.Fatal(diff)
		}
	})
}

func FuzzDecodePlan(f *testing.F) {
	f.Add([]byte(homeJSON))
	f.Add([]byte(`{"check":"\ud800","from":1e3,"sites":[]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		p, err := uptally.DecodePlan(data)
		if err != nil {
			return
		}
		if got := uptally.AppendPlan(nil, p); string(got) != string(data) {
			t.Errorf("got %s, want %s", hex.EncodeToString(got), hex.EncodeToString(data))
		}
		p.Validate()
		for rank := range p.Sites {
			if ph := p.Phase(rank); p.Every > 0 && p.Every < 1<<40 && (ph < 0 || ph >= p.Every) {
				t.Errorf("phase %d: got %d, want 0 ≤ phase < %d", rank, ph, p.Every)
			}
		}
	})
}
