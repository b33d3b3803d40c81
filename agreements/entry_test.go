package agreements

import (
	"bytes"
	"reflect"
	"testing"

	"github.com/uptally/uptally"
)

func TestEntryTextRoundTrip(t *testing.T) {
	text := EntryText{Agreement: "acme-portal", Services: []string{"web", "api"}, From: -5, To: 10, Announced: -20, Cause: "customer", Reason: "wrong \"key\" <b>"}
	data := EncodeEntry(text)
	const want = `{"agreement":"acme-portal","services":["web","api"],"from":-5,"to":10,"announced":-20,"cause":"customer","reason":"wrong \"key\" \u003cb\u003e"}`
	if string(data) != want {
		t.Errorf("got  %s\nwant %s", data, want)
	}
	e := uptally.Entry{ID: 3, RecordedAt: 7, By: "li", Kind: KindExclusion, Data: data}
	got, err := DecodeEntry(e)
	if err != nil || !reflect.DeepEqual(got, Recorded{e, text}) {
		t.Errorf("got %+v, %v", got, err)
	}
}

func TestDecodeEntryRefuses(t *testing.T) {
	for _, c := range []struct{ kind, data, want string }{
		{"maintenance", ``, `decode entry 9: EOF`},
		{"maintenance", `{"from":1,"to":2}{}`, `decode entry 9: got text after the object, want one object`},
		{"maintenance", `{"from":1,"to":2,"until":3}`, `decode entry 9: json: unknown field "until"`},
		{"maintenance", `{"from":2,"to":2}`, `decode entry 9: got from 2 and to 2, want the end after the start`},
		{"maintenance", `{"from":1,"to":9223372036854775807}`, `decode entry 9: got from 1, to 9223372036854775807, announced 0, want instants in milliseconds`},
		{"exclusion", `{"from":1,"to":2}`, `decode entry 9: got an exclusion without a cause, want a cause of the agreement`},
		{"holiday", `{"from":1,"to":2}`, `decode entry 9: got kind "holiday", want maintenance, exclusion or cause`},
	} {
		_, err := DecodeEntry(uptally.Entry{ID: 9, Kind: c.kind, Data: []byte(c.data)})
		if err == nil || err.Error() != c.want {
			t.Errorf("%s %s: got %v, want %s", c.kind, c.data, err, c.want)
		}
	}
}

func FuzzDecodeEntry(f *testing.F) {
	f.Add("maintenance", []byte(`{"from":1,"to":2}`))
	f.Add("exclusion", []byte(`{"agreement":"a","services":["s"],"from":-1,"to":2,"announced":3,"cause":"c","reason":"r"}`))
	f.Add("cause", []byte(`{"from":1,"to":2} `))
	f.Add("cause", []byte(`[]`))
	f.Fuzz(func(t *testing.T, kind string, data []byte) {
		r, err := DecodeEntry(uptally.Entry{ID: 1, Kind: kind, Data: data})
		if err != nil {
			return
		}
		canonical := EncodeEntry(r.EntryText)
		again, err := DecodeEntry(uptally.Entry{ID: 1, Kind: kind, Data: canonical})
		if err != nil || !bytes.Equal(EncodeEntry(again.EntryText), canonical) {
			t.Fatalf("%s became %s: %v", data, canonical, err)
		}
	})
}
