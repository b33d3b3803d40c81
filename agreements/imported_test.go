package agreements

import (
	"bytes"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/uptally/uptally"
)

func prometheusImport() Import {
	return Import{
		Agent: "00c0ffee00c0ffee", Kind: ImportPrometheus, Source: "http://prometheus.example:9090", Query: `probe_success{job="blackbox"}`,
		From: 1_000, To: 5_000, SHA256: strings.Repeat("0f", 32),
		Series: []ImportSeries{{"portal-home", "ams1", 3}, {"portal-home", "fra1", 4}},
	}
}

func importEntry(id int64, i Import) uptally.Entry {
	return uptally.Entry{ID: id, RecordedAt: 9_000, By: "j.meier", Kind: KindImport, Data: EncodeImport(i)}
}

func TestImportRoundTrip(t *testing.T) {
	want := prometheusImport()
	data := EncodeImport(want)
	const text = `{"agent":"00c0ffee00c0ffee","kind":"prometheus","source":"http://prometheus.example:9090","query":"probe_success{job=\"blackbox\"}",` +
		`"from":1000,"to":5000,"sha256":"0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f",` +
		`"series":[{"check":"portal-home","site":"ams1","results":3},{"check":"portal-home","site":"fra1","results":4}]}`
	if string(data) != text {
		t.Errorf("got  %s\nwant %s", data, text)
	}
	e := importEntry(3, want)
	if got, err := DecodeImport(e); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, %v", got, err)
	}
	if got, err := DecodeEntry(e); err != nil || !reflect.DeepEqual(got, Recorded{Entry: e}) {
		t.Errorf("got %+v, %v, want the entry without a person's text", got, err)
	}
}

func TestDecodeImportRefuses(t *testing.T) {
	for _, c := range []struct {
		change func(*Import)
		want   string
	}{
		{func(i *Import) { i.Agent = "C0FFEE" }, `decode entry 9: got agent "C0FFEE", want sixteen hexadecimal digits`},
		{func(i *Import) { i.Kind = "influx" }, `decode entry 9: got an import of the kind "influx", want csv or prometheus`},
		{func(i *Import) { i.Source = "" }, `decode entry 9: got an import without a source, want the file or the server it is from`},
		{func(i *Import) { i.SHA256 = "0f" }, `decode entry 9: got sha256 "0f", want 64 hexadecimal digits`},
		{func(i *Import) { i.To = i.From }, `decode entry 9: got from 1000 and to 1000, want instants in milliseconds, the end after the start`},
		{func(i *Import) { i.Series = nil }, `decode entry 9: got an import without series, want at least one check at a site`},
		{func(i *Import) { i.Series[1].Site = "" }, `decode entry 9: got 4 results of check "portal-home" at site "", want the names of both and at least one result`},
		{func(i *Import) { i.Series[1].Site = "ams1" }, `decode entry 9: got check "portal-home" at site "ams1" twice, want each series once`},
	} {
		i := prometheusImport()
		c.change(&i)
		if _, err := DecodeEntry(importEntry(9, i)); err == nil || err.Error() != c.want {
			t.Errorf("got %v, want %s", err, c.want)
		}
	}
	e := importEntry(9, prometheusImport())
	e.Data = append(e.Data, '1')
	if _, err := DecodeImport(e); err == nil || err.Error() != "decode entry 9: got text after the object, want one object" {
		t.Errorf("got %v", err)
	}
}

// An import moves no figure, whether somebody claims to have withdrawn it or not.
func TestAccountsPassOverImports(t *testing.T) {
	a := agreement(time.UTC)
	p := at("2026-10-01T00:00:00Z", 31*24*uptally.Hour)
	down := map[string]Tracks{"s": exact(at("2026-10-05T00:00:00Z", uptally.Hour))}
	i := prometheusImport()
	i.From, i.To = p.From, p.To
	withdrawal := Recorded{Entry: uptally.Entry{ID: 5, RecordedAt: 9_001, Kind: KindWithdrawal}, EntryText: EntryText{Replaces: 4}}
	imported, err := DecodeEntry(importEntry(4, i))
	if err != nil {
		t.Fatal(err)
	}
	want := compute(t, a, p, down)
	if got := compute(t, a, p, down, imported, withdrawal); !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func FuzzDecodeImport(f *testing.F) {
	f.Add(EncodeImport(prometheusImport()))
	f.Add([]byte(`{"agent":"00c0ffee00c0ffee","kind":"csv","source":"a.csv","from":-1,"to":2,"sha256":"","series":null}`))
	f.Add([]byte(`[]`))
	f.Fuzz(func(t *testing.T, data []byte) {
		e := uptally.Entry{ID: 1, Kind: KindImport, Data: data}
		i, err := DecodeImport(e)
		if err != nil {
			return
		}
		e.Data = EncodeImport(i)
		again, err := DecodeImport(e)
		if err != nil || !bytes.Equal(EncodeImport(again), e.Data) {
			t.Fatalf("%s became %s: %v", data, e.Data, err)
		}
	})
}
