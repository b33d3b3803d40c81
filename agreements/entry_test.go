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
		{"holiday", `{"from":1,"to":2}`, `decode entry 9: got kind "holiday", want maintenance, exclusion, cause, report, affected, in_service or withdrawal`},
		{"exclusion", `{"from":1,"to":2,"cause":"c","class":"emergency"}`, `decode entry 9: got class of the kind exclusion, want this field only of maintenance`},
		{"cause", `{"from":1,"to":2,"accepted_by":"li"}`, `decode entry 9: got accepted_by of the kind cause, want this field only of exclusion`},
		{"report", `{"from":1,"to":2}`, `decode entry 9: got a report without an instant, want reported or opened`},
		{"report", `{"from":1,"to":9,"reported":5,"closed":4}`, `decode entry 9: got closed 4 before reported or opened, want an instant after them`},
		{"maintenance", `{"from":1,"to":9,"reported":5}`, `decode entry 9: got reported of the kind maintenance, want this field only of report`},
		{"affected", `{"from":1,"to":2}`, `decode entry 9: got users 0 and share "", want users or share`},
		{"affected", `{"from":1,"to":2,"users":3,"share":"5%"}`, `decode entry 9: got users 3 and share "5%", want users or share`},
		{"affected", `{"from":1,"to":2,"users":-3}`, `decode entry 9: got users -3, want a number above zero`},
		{"affected", `{"from":1,"to":2,"share":"0.25"}`, `decode entry 9: got share "0.25", want a share above 0% and up to 100%, such as 25%`},
		{"affected", `{"from":1,"to":2,"share":"100.1%"}`, `decode entry 9: got share "100.1%", want a share above 0% and up to 100%, such as 25%`},
		{"withdrawal", `{"from":0,"to":0}`, `decode entry 9: got a withdrawal without an entry, want the number of the entry it takes back`},
		{"withdrawal", `{"from":1,"to":2,"replaces":3}`, `decode entry 9: got from of the kind withdrawal, want this field only of maintenance, exclusion, cause, report, affected or in_service`},
		{"cause", `{"from":1,"to":2,"replaces":-3}`, `decode entry 9: got replaces -3, want the number of an entry`},
		{"cause", `{"from":1,"to":2,"users":"3"}`, `decode entry 9: json: cannot unmarshal string into Go struct field EntryText.users of type int64`},
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
	f.Add("report", []byte(`{"from":1,"to":9,"reported":2,"opened":3,"closed":8,"evidence":"ticket 7"}`))
	f.Add("affected", []byte(`{"from":1,"to":9,"share":"12.5%"}`))
	f.Add("withdrawal", []byte(`{"from":0,"to":0,"replaces":4}`))
	f.Fuzz(func(t *testing.T, kind string, data []byte) {
		r, err := DecodeEntry(uptally.Entry{ID: 1, Kind: kind, Data: data})
		if err != nil || kind == KindImport {
			return
		}
		canonical := EncodeEntry(r.EntryText)
		again, err := DecodeEntry(uptally.Entry{ID: 1, Kind: kind, Data: canonical})
		if err != nil || !bytes.Equal(EncodeEntry(again.EntryText), canonical) {
			t.Fatalf("%s became %s: %v", data, canonical, err)
		}
	})
}
