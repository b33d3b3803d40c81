package probes

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/miekg/dns"

	"github.com/uptally/uptally"
)

// A probe that is made once shows flags and whole records; a scheduled one, which nobody looks at, the answers in one line.
func TestDNSRecites(t *testing.T) {
	server := listenDNS(t, func(_ string, q *dns.Msg) []byte {
		name := q.Question[0].Name
		q.RecursionAvailable = true
		return answer(t, q, dns.RcodeSuccess, name+" 60 IN CNAME Front.example.test.", "Front.example.test. 30 IN A 192.0.2.1", "Front.example.test. 30 IN A 192.0.2.2")
	})
	s := &Settings{DNS: &DNS{Server: server, Name: "www.example.test"}}
	shared := NewShared()
	defer shared.Close()
	for _, tt := range []struct {
		story  string
		engine *Engine
		want   []Fact
	}{
		{"once", NewEngine(), []Fact{
			{"address", server + " udp"}, {"rcode", "NOERROR"}, {"flags", "rd"},
			{"answer", "www.example.test. 60 IN CNAME front.example.test."},
			{"answer", "front.example.test. 30 IN A 192.0.2.1"}, {"answer", "front.example.test. 30 IN A 192.0.2.2"},
		}},
		{"scheduled", shared, []Fact{{"address", server + " udp"}, {"rcode", "NOERROR"}, {"answers", "192.0.2.1, 192.0.2.2"}}},
	} {
		t.Run(tt.story, func(t *testing.T) {
			p, err := tt.engine.Prepare(s, "")
			if err != nil {
				t.Fatal(err)
			}
			o := p.Probe(t.Context())
			want(t, o, uptally.OK)
			if diff := cmp.Diff(tt.want, o.Facts); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}
