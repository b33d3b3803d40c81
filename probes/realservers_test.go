package probes

import (
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/uptally/uptally"
)

var update = flag.Bool("update", false, "write the golden files anew")

// TestRealServers holds the probes against servers that nobody here wrote, in each state that a server can be in: good,
// refused, reset, stalled, slow and wrong, and with TLS each fault of a certificate and of a version. Where a real server
// cannot be brought to misbehave, something on the way to it does. What each probe saw stands in testdata/realservers.txt.
// A server is skipped only where it is not installed and UPTALLY_REQUIRE_PEERS is not set.
func TestRealServers(t *testing.T) {
	groups := []struct {
		title string
		rows  func(t *testing.T, certs string) *rows
	}{
		{"nginx: plain HTTP", plainWebRows},
		{"nginx: HTTPS, over TLS 1.2, TLS 1.3 and HTTP/2", secureWebRows},
		{"OpenSSL s_server: TLS", opensslRows},
		{"OpenSSH: a banner", sshRows},
		{"Postfix: STARTTLS", mailRows},
		{"PostgreSQL: STARTTLS", databaseRows},
		{"Knot DNS: UDP and TCP", knotRows},
		{"Knot DNS as the resolver of a check", resolverRows},
		{"Unbound: a resolver that validates, over UDP, TCP, TLS and HTTPS", unboundRows},
	}
	page := newTable(t)
	for _, group := range groups {
		t.Run(group.title, func(t *testing.T) {
			ca := newAuthority(t)
			ca.issue("good", "portal.test", -time.Hour, 100*time.Hour)
			ca.issue("expired", "portal.test", -48*time.Hour, -24*time.Hour)
			ca.issue("early", "portal.test", 24*time.Hour, 48*time.Hour)
			ca.issue("other", "elsewhere.test", -time.Hour, 100*time.Hour)
			page.section(t, group.title, group.rows(t, ca.dir).observe(t, ca.dir))
		})
	}
	page.done(t, len(groups))
}

// row is one probe of a real server and what it must see.
type row struct {
	story string
	s     Settings
	want  uptally.Reason
	has   string // of the detail
	slow  bool   // want comes at the deadline only
}

// rows are those of a group, and the names that ports and sums have in the table.
type rows struct {
	list  []row
	names []string // pairs for a strings.Replacer
}

// named gives the port of an address a name, and returns the port.
func (rs *rows) named(address, name string) string {
	port := portOfAddress(address)
	rs.names = append(rs.names, ":"+port, ":"+name)
	return port
}

// http, tcp and dns add a row.
func (rs *rows) http(story string, h HTTP, want uptally.Reason) {
	rs.list = append(rs.list, row{story: story, s: Settings{HTTP: &h}, want: want})
}

func (rs *rows) tcp(story string, c TCP, want uptally.Reason) {
	rs.list = append(rs.list, row{story: story, s: Settings{TCP: &c}, want: want})
}

func (rs *rows) dns(story string, d DNS, want uptally.Reason, has string) {
	rs.list = append(rs.list, row{story: story, s: Settings{DNS: &d}, want: want, has: has})
}

// atDeadline says that the outcome of the row added last comes at the deadline.
func (rs *rows) atDeadline() { rs.list[len(rs.list)-1].slow = true }

// soon is the deadline of rows that end at it: enough for a handshake beside others, on a busy machine too.
const soon = 1500 * time.Millisecond

// waits reports whether the reason comes at the deadline.
func (w row) waits() bool {
	switch w.want {
	case uptally.ConnectTimeout, uptally.TLSTimeout, uptally.ResponseTimeout, uptally.BodyTimeout, uptally.ReplyTimeout, uptally.QueryTimeout:
		return true
	}
	return w.slow
}

// observe makes all the probes, with both engines, and returns the lines of the table.
func (rs *rows) observe(t *testing.T, certs string) []string {
	t.Helper()
	lines := make([][2]string, len(rs.list))
	own, shared := NewEngine(), NewShared()
	busy, waiting := make(chan struct{}, 4), make(chan struct{}, 64)
	var all sync.WaitGroup
	for i, w := range rs.list {
		places := busy
		if w.waits() {
			places = waiting
		}
		for n, e := range []*Engine{own, shared} {
			all.Go(func() {
				places <- struct{}{}
				lines[i][n] = rs.line(w, w.observe(t, e, certs))
				<-places
			})
		}
	}
	all.Wait()
	if err := shared.Close(); err != nil {
		t.Error(err)
	}
	var out []string
	for i, both := range lines {
		if both[0] != both[1] {
			t.Errorf("%s: got %s with the shared engine, and %s with one of its own", rs.list[i].story, both[1], both[0])
		}
		out = append(out, both[0])
	}
	return out
}

func (w row) observe(t *testing.T, e *Engine, certs string) Observation {
	p, err := e.Prepare(&w.s, certs)
	if err != nil {
		t.Errorf("%s: %v", w.story, err)
		return Observation{}
	}
	within := generous
	if w.waits() {
		within = soon
	}
	ctx, cancel := context.WithTimeout(t.Context(), within)
	defer cancel()
	o := p.Probe(ctx)
	checkObservation(t, &w.s, o)
	if o.Reason != w.want || !strings.Contains(o.Detail, w.has) {
		t.Errorf("%s: got %v (%s) in %s, want %v (%s)", w.story, o.Reason, o.Detail, o.FailedIn, w.want, w.has)
	}
	return o
}

// line is what a reader sees of a row: a story, what was seen, in which phase it failed, and the settings.
func (rs *rows) line(w row, o Observation) string {
	seen := o.Outcome().String()
	if o.Reason != uptally.OK {
		seen += " " + o.Reason.String()
	}
	_, k := w.s.one()
	settings := strings.NewReplacer(rs.names...).Replace(flow(reflect.ValueOf(k)))
	return fmt.Sprintf("%-62s  %-24s  %-10s  %s: %s", w.story, seen, o.FailedIn, w.s.Kind(), settings)
}

// flow writes settings as YAML on one line, without what is not given.
func flow(v reflect.Value) string {
	switch v.Kind() {
	case reflect.Pointer:
		return flow(v.Elem())
	case reflect.Struct:
		return "{ " + strings.Join(flowFields(v), ", ") + " }"
	case reflect.Slice:
		var parts []string
		for i := range v.Len() {
			parts = append(parts, flow(v.Index(i)))
		}
		return "[" + strings.Join(parts, ", ") + "]"
	case reflect.Map:
		var parts []string
		for _, key := range v.MapKeys() {
			parts = append(parts, flow(key)+": "+flow(v.MapIndex(key)))
		}
		return "{ " + strings.Join(parts, ", ") + " }"
	}
	text := fmt.Sprint(v.Interface())
	if len(text) > 90 {
		text = fmt.Sprintf("%s… (%d bytes)", text[:20], len(text))
	}
	if strings.ContainsAny(text, " \r\n,{}[]\"\\#*&!|>'%@`") {
		return fmt.Sprintf("%q", text)
	}
	return text
}

func flowFields(v reflect.Value) (parts []string) {
	for i := range v.NumField() {
		name, _, _ := strings.Cut(v.Type().Field(i).Tag.Get("yaml"), ",")
		switch f := v.Field(i); {
		case name == "": // inline
			parts = append(parts, flowFields(f)...)
		case f.Kind() == reflect.Pointer && f.IsNil(), f.Kind() != reflect.Pointer && f.IsZero():
		default:
			parts = append(parts, name+": "+flow(f))
		}
	}
	return parts
}

// table is the golden file, one section a group of rows.
type table struct {
	file     string
	want     map[string]string
	sections []string
}

func newTable(t *testing.T) *table {
	p := &table{file: filepath.Join("testdata", "realservers.txt"), want: map[string]string{}}
	text, err := os.ReadFile(p.file)
	if err != nil && !*update {
		t.Fatal(err)
	}
	for part := range strings.SplitSeq(string(text), "\n\n") {
		title, _, _ := strings.Cut(part, "\n")
		p.want[title] = strings.TrimSuffix(part, "\n")
	}
	return p
}

// section compares and keeps one.
func (p *table) section(t *testing.T, title string, lines []string) {
	t.Helper()
	got := title + "\n" + strings.Join(lines, "\n")
	p.sections = append(p.sections, got)
	t.Logf("%d probes\n%s", len(lines), got)
	if diff := cmp.Diff(p.want[title], got); diff != "" && !*update {
		t.Errorf("%s (-want +got):\n%s", p.file, diff)
	}
}

// done writes the file, which takes all of the groups.
func (p *table) done(t *testing.T, groups int) {
	t.Helper()
	switch {
	case t.Failed():
	case len(p.sections) != groups && *update:
		t.Fatalf("got %d of %d groups, want all of them for -update", len(p.sections), groups)
	case len(p.sections) == groups && len(p.want) != groups && !*update:
		t.Errorf("%s: got %d sections, want %d", p.file, len(p.want), groups)
	case *update:
		if err := os.WriteFile(p.file, []byte(strings.Join(p.sections, "\n\n")+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// secureReach leads names to the servers, which are all on loopback.
func secureReach() Reach {
	return Reach{Resolve: map[string]string{"portal.test": "127.0.0.1"}}
}
