//go:build linux

package probes

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/miekg/dns"
)

const patientDNSProcess = "UPTALLY_PATIENT_DNS_PROCESS"

// BenchmarkHonestTimeDNS is BenchmarkHonestTime for questions over UDP, over shared sockets and over one a question. Here the
// answer itself says how long the server took, from the instant when its kernel had the question.
func BenchmarkHonestTimeDNS(b *testing.B) {
	address := startProcess(b, "TestPatientDNSProcess", patientDNSProcess)
	for _, kind := range []struct {
		name string
		open func() *Engine
	}{{"dns-shared", NewShared}, {"dns-own", NewEngine}} {
		for _, busy := range []int{0, 2, 4} {
			for _, flying := range []int{16, 64, 256} {
				b.Run(fmt.Sprintf("%s/busy=%d/in_flight=%d", kind.name, busy, flying), func(b *testing.B) {
					e := kind.open()
					p := preparedBy(b, e, &Settings{DNS: &DNS{Server: address["dns"], Name: "portal.test", Type: "TXT"}}, "")
					stop := keepBusy(busy)
					seen := observeMany(b, slices.Repeat([]*Prober{p}, flying))
					stop()
					if err := e.Close(); err != nil {
						b.Error(err)
					}
					reportDNSErrors(b, slices.Concat(seen...))
				})
			}
		}
	}
}

func reportDNSErrors(b *testing.B, seen []Observation) {
	var process, reported []time.Duration
	for _, o := range seen {
		i := slices.IndexFunc(o.Facts, func(f Fact) bool { return strings.HasPrefix(f.Key, "answer") })
		if i < 0 {
			b.Fatalf("got %v %s, want an answer", o.Reason, o.Detail)
		}
		words := strings.Fields(o.Facts[i].Value) // the data, or the whole record
		took, err := strconv.ParseInt(strings.Trim(words[len(words)-1], `"`), 10, 64)
		if err != nil {
			b.Fatal(err)
		}
		reported = append(reported, (o.RTT - time.Duration(took)).Abs())
		process = append(process, (o.RTT + o.Delay - time.Duration(took)).Abs())
	}
	b.ReportMetric(0, "ns/op")
	for q, label := range map[int]string{50: "p50", 99: "p99"} {
		b.ReportMetric(percentile(process, q), "process-"+label+"-ms")
		b.ReportMetric(percentile(reported, q), "reported-"+label+"-ms")
	}
}

// TestPatientDNSProcess is the other process of BenchmarkHonestTimeDNS, and nothing else.
func TestPatientDNSProcess(t *testing.T) {
	if os.Getenv(patientDNSProcess) == "" {
		t.Skip("runs inside the benchmark only")
	}
	_ = syscall.Setpriority(syscall.PRIO_PROCESS, 0, -20) // without the right to it, it is only later
	u, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	stampReplies(u)
	raw, err := u.SyscallConn()
	if err == nil {
		err = raw.Control(func(fd uintptr) { _ = prepareDNSSocket(int(fd), false) })
	}
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	all.Go(func() {
		buf, oob := make([]byte, maxDatagram), make([]byte, 256)
		for {
			n, oobn, _, from, err := u.ReadMsgUDPAddrPort(buf, oob)
			if err != nil {
				return
			}
			q, stamp := new(dns.Msg), stampIn(oob[:oobn])
			if q.Unpack(buf[:n]) == nil {
				go answerPatiently(t, u, from, q, stamp)
			}
		}
	})
	ctx, cancel := context.WithCancel(t.Context())
	go func() { _, _ = os.Stdin.Read(make([]byte, 1)); cancel() }()
	if _, err := os.Stdout.WriteString("dns=" + u.LocalAddr().String() + "\n"); err != nil {
		t.Fatal(err)
	}
	<-ctx.Done()
	_ = u.Close()
	all.Wait()
}

// answerPatiently packs the answer before it waits, and writes the time into it at the last moment.
func answerPatiently(t *testing.T, u *net.UDPConn, from netip.AddrPort, q *dns.Msg, stamp int64) {
	const place = "000000000000"
	m := new(dns.Msg).SetReply(q)
	m.Answer = []dns.RR{&dns.TXT{Hdr: dns.RR_Header{Name: q.Question[0].Name, Rrtype: dns.TypeTXT, Class: dns.ClassINET, Ttl: 1}, Txt: []string{place}}}
	b, err := m.Pack()
	if err != nil {
		t.Error(err)
		return
	}
	at := strings.LastIndex(string(b), place)
	<-time.After(time.Until(time.Unix(0, stamp).Add(patience)))
	copy(b[at:], fmt.Sprintf("%012d", time.Now().UnixNano()-stamp))
	_, _ = u.WriteToUDPAddrPort(b, from) // the client may be gone
}
