package statements

import (
	"bytes"
	"html"
	"math/big"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/uptally/uptally/agreements"
)

func TestDocumentsFollowTheSchema(t *testing.T) {
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(Schema))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("urn:uptally:statement:1", doc); err != nil {
		t.Fatal(err)
	}
	schema, err := c.Compile("urn:uptally:statement:1")
	if err != nil {
		t.Fatal(err)
	}
	all := stories(t)
	all["split"], all["every term about time"], all["every rule of maintenance"] = split(t), everyTimeTerm(t), everyRule(t)
	for name, s := range all {
		data, err := s.JSON()
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
		v.(map[string]any)["accounts"].([]any)[0].(map[string]any)["classes"].(map[string]any)["idle_ms"] = 1
		if schema.Validate(v) == nil {
			t.Errorf("%s: a sixth class was accepted", name)
		}
	}
}

// The fields of the schema stand in the order in which the document is written.
func TestSchemaListsFieldsInOrder(t *testing.T) {
	s := outages(t)
	data, err := s.JSON()
	if err != nil {
		t.Fatal(err)
	}
	key := regexp.MustCompile(`(?m)^  "([a-z_]+)":`)
	var written []string
	for _, m := range key.FindAllStringSubmatch(string(data), -1) {
		written = append(written, `"`+m[1]+`"`)
	}
	if want := `"required": [` + strings.Join(written, ", ") + `]`; !strings.Contains(string(Schema), want) {
		t.Errorf("got fields %s, want them in the schema in this order", want)
	}
}

func TestDecodeIsTheInverseOfJSON(t *testing.T) {
	for name, s := range stories(t) {
		data, err := s.JSON()
		if err != nil {
			t.Fatal(err)
		}
		back, err := Decode(data)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		back.Late = s.Late // told beside the document
		var want, got bytes.Buffer
		if err := s.HTML(&want); err != nil {
			t.Fatal(err)
		}
		if err := back.HTML(&got); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(want.Bytes(), got.Bytes()) {
			t.Errorf("%s: the page of the stored document differs from the first one", name)
		}
	}
}

func TestDecodeRefuses(t *testing.T) {
	s := outages(t)
	data, err := s.JSON()
	if err != nil {
		t.Fatal(err)
	}
	edit := func(old, new string) []byte {
		if !bytes.Contains(data, []byte(old)) {
			t.Fatalf("the document does not hold %q", old)
		}
		return bytes.Replace(data, []byte(old), []byte(new), 1)
	}
	for name, c := range map[string]struct {
		data []byte
		want string
	}{
		"another format":           {edit(Format, "uptally-statement/2"), `decode statement: got format "uptally-statement/2", want "uptally-statement/1"`},
		"white space":              {append(slices.Clone(data), '\n'), "decode statement: bytes are not canonical"},
		"an unknown field":         {edit(`"customer"`, `"client"`), `decode statement: json: unknown field "client"`},
		"a class that grew":        {edit(`"down_ms": 3600500`, `"down_ms": 3600501`), `decode statement: account "portal": the classes add up to 2678400001 ms, want 2678400000 ms`},
		"a prettier figure":        {edit(`"exact": "280421/280800"`, `"exact": "999/1000"`), `decode statement: account "portal": got low availability "999/1000", want 1 − 3600500/2667600000 = "280421/280800"`},
		"a total that is not owed": {edit("  \"total\": {\n    \"fee\": {\n      \"minor\": 1200000", "  \"total\": {\n    \"fee\": {\n      \"minor\": 1200001"), "decode statement: the totals are not the sums of the accounts"},
		"a day that moved":         {edit(`"date": "2026-10-01",`, `"date": "2026-13-01",`), `decode statement: account "portal": got day "2026-13-01" of 86400000 ms, want a date such as 2026-10-01 and its length`},
	} {
		if _, err := Decode(c.data); err == nil || err.Error() != c.want {
			t.Errorf("%s: got %v, want %s", name, err, c.want)
		}
	}
}

// A mismatch of sums is an error before anything is printed.
func TestBuildRefusesSumsThatDoNotClose(t *testing.T) {
	a := acme(t)
	p := october(t, a)
	account := agreements.Account{Service: "portal", Period: p, Terms: &a.Versions[0], Eligible: p.Len(), Denominator: p.Len()}
	all := agreements.Fraction{Lost: new(big.Rat), Of: big.NewRat(p.Len(), 1)}
	account.Figure = agreements.Figure{Certain: all, Point: all, Possible: all}
	account.ByClass[agreements.ClassUp] = p.Len() - 1
	account.Pieces = []agreements.Piece{{Interval: p, Class: agreements.ClassUp}}
	_, err := build(draft{agreement: a, period: p, periodText: "2026-10", now: p.To, accounts: []agreements.Account{account}})
	want := `build statement "acme-portal": account "portal": the classes add up to 2678399999 ms, want 2678400000 ms`
	if err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

// Every figure of the document stands in all three renderings, in the same letters.
func TestNumbersAreEqualInAllRenderings(t *testing.T) {
	for name, s := range stories(t) {
		var text, page bytes.Buffer
		if err := s.Text(&text); err != nil {
			t.Fatal(err)
		}
		if err := s.HTML(&page); err != nil {
			t.Fatal(err)
		}
		shown := map[string]string{"text": text.String(), "page": html.UnescapeString(page.String())}
		for where, body := range shown {
			for _, figure := range figures(&s) {
				if !strings.Contains(body, figure) {
					t.Errorf("%s: the %s lacks %q", name, where, figure)
				}
			}
		}
	}
}

func figures(s *Statement) []string {
	fs := []string{s.Version.SHA256, s.Period.local(s.Period.At.From), s.Period.Zone}
	for _, a := range s.Accounts {
		fs = append(fs, a.Availability.Low.Percent, a.Availability.Point.Percent, a.Availability.High.Percent, a.Experienced.Point.Percent,
			a.Target.Percent, a.Credit.Charged.Amount.Text, a.Credit.Max.Amount.Text, a.Credit.Fee.Text, seconds(a.Down.PointMS), seconds(a.UnknownMS),
			seconds(a.Classes.Up), seconds(a.Classes.Outside), seconds(a.EligibleMS))
		for _, o := range a.Outages {
			fs = append(fs, s.Period.local(o.At.From), seconds(o.CountedMS))
		}
		for _, st := range a.Steps {
			fs = append(fs, st.Result)
		}
	}
	return append(fs, s.Total.Charged.Text)
}

func TestTextFitsTheTerminal(t *testing.T) {
	for name, s := range stories(t) {
		var b bytes.Buffer
		if err := s.Text(&b); err != nil {
			t.Fatal(err)
		}
		for i, line := range strings.Split(b.String(), "\n") {
			if n := len([]rune(line)); n > textWidth {
				t.Errorf("%s:%d: got %d columns, want at most %d: %s", name, i+1, n, textWidth, line)
			}
		}
	}
}

// hostile is a statement whose every name tries to leave its place.
func hostile(t *testing.T) Statement {
	t.Helper()
	const evil = "\"><script>alert(1)</script>{{.}}\x1b[31m\u202e"
	s := outages(t)
	s.Agreement, s.Customer, s.Period.Words, s.Evidence.Words = evil, evil, evil, evil
	a := &s.Accounts[0]
	a.Service = evil
	a.Outages[0].Why, a.Outages[0].Sites, a.Outages[0].Causes = evil, []string{evil}, []string{evil}
	a.Outages[0].First = []Failure{{Check: evil, Site: evil, Reason: evil, Detail: evil}}
	a.Applied[0].By, a.Applied[0].Reason, a.Applied[0].Rule = evil, evil, evil
	a.Steps[0].Rule = evil
	return s
}

func TestPageEscapesHostileNames(t *testing.T) {
	s := hostile(t)
	var b bytes.Buffer
	if err := s.HTML(&b); err != nil {
		t.Fatal(err)
	}
	if err := RenderIndex(&b, Index{
		Agreements: []IndexAgreement{{Name: s.Agreement, Href: "javascript:alert(1)", Statement: &s}},
		Checks:     []IndexCheck{{Check: s.Agreement, Target: s.Agreement}},
	}); err != nil {
		t.Fatal(err)
	}
	for _, bad := range []string{"<script", "javascript:", ` style="`, "onclick"} {
		if strings.Contains(b.String(), bad) {
			t.Errorf("the page holds %q", bad)
		}
	}
}

func TestTextShowsControlCharacters(t *testing.T) {
	s := hostile(t)
	var b bytes.Buffer
	if err := s.Text(&b); err != nil {
		t.Fatal(err)
	}
	if strings.ContainsAny(b.String(), "\x1b\u202e") {
		t.Error("the text holds a control character")
	}
	if !strings.Contains(b.String(), "·[31m·") {
		t.Error("the text does not show where control characters were")
	}
}

// The policy names the digest of exactly what stands between the style tags, and the page has nothing else to allow.
func TestPolicyHoldsForThePage(t *testing.T) {
	s := clean(t)
	var b bytes.Buffer
	if err := s.HTML(&b); err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(b.String(), "<style>")
	style, _, _ := strings.Cut(rest, "</style>")
	if style != pageCSS {
		t.Error("the style of the page is not the one that the policy allows")
	}
	for _, outside := range []string{"<script", "<link", "<img", "http://", "url(", "@import", "style=\""} {
		if strings.Contains(b.String(), outside) {
			t.Errorf("the page holds %q", outside)
		}
	}
	if !strings.HasPrefix(ContentSecurityPolicy(), "default-src 'none'; style-src 'sha256-") {
		t.Errorf("got policy %q", ContentSecurityPolicy())
	}
}

func FuzzDecode(f *testing.F) {
	for _, name := range []string{"clean", "outages", "progress"} {
		f.Add(readGolden(f, name+".json"))
	}
	f.Add([]byte(`{"format":"uptally-statement/1"}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		s, err := Decode(data)
		if err != nil {
			return
		}
		again, err := s.JSON()
		if err != nil || !bytes.Equal(again, data) {
			t.Fatalf("got other bytes after decoding, or %v", err)
		}
		if err := s.Text(&bytes.Buffer{}); err != nil {
			t.Fatal(err)
		}
	})
}
