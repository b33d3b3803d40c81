package probes

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"

	"github.com/uptally/uptally"
)

// maxDatagram is the largest reply over UDP: the largest edns_size.
const maxDatagram = 4096

// askUDP asks over the engine's sockets, or one of its own where the question must leave from a certain place.
func (p *dnsProbe) askUDP(r *run, to netip.AddrPort) (*dnsAnswer, *fault) {
	r.fact("address", to.String()+" udp")
	if p.sockets != nil && p.route.source == (egress{}) {
		return p.sockets.ask(r, p.query, to)
	}
	d := net.Dialer{Control: p.route.source.control()}
	c, err := d.DialContext(r.ctx, "udp", to.String())
	if err != nil {
		return nil, r.unasked(err)
	}
	l := r.bind(c)
	defer func() { _ = l.Close() }() // the verdict is out; an error at the end says nothing
	conn := c.(*net.UDPConn)
	stampReplies(conn)
	q := p.query.ask(newID())
	r.first()
	sent := time.Now()
	if _, err = conn.Write(q.wire); err != nil {
		return nil, r.unasked(err)
	}
	return r.await(conn, &q, sent)
}

// await reads from a connected socket: the kernel hands over what comes from the server's address and port only.
func (r *run) await(conn *net.UDPConn, q *asked, sent time.Time) (*dnsAnswer, *fault) {
	buf, oob := make([]byte, maxDatagram), make([]byte, 64)
	for foreign := 0; ; foreign++ {
		n, oobn, _, _, err := conn.ReadMsgUDPAddrPort(buf, oob)
		if timedOut(err) {
			if late, more, ok := receiveLate(conn, buf, oob); ok {
				n, oobn, err = late, more, nil
			}
		}
		if err != nil {
			return nil, r.unanswered(err, foreign)
		}
		if q.answeredBy(buf[:n]) {
			return r.queried(q, buf[:n], sent, time.Now(), stampIn(oob[:oobn]))
		}
	}
}

// queried reads a reply over UDP. It was in time if the kernel had it in time, however late this process read it.
func (r *run) queried(q *asked, b []byte, sent, read time.Time, stamp int64) (*dnsAnswer, *fault) {
	took, _ := roundTrip(sent, read, stamp)
	if deadline, ok := r.ctx.Deadline(); ok && sent.Add(took).After(deadline) {
		return nil, r.unanswered(context.DeadlineExceeded, 0)
	}
	r.begin = time.Now()
	r.obs.Delay = r.begin.Sub(sent) - took
	r.obs.Phases = append(r.obs.Phases, Phase{Name: "query", D: took})
	reply, err := q.reply(b)
	if err != nil {
		return nil, faultf(uptally.ReplyMalformed, "%v", err)
	}
	return &dnsAnswer{reply, took}, nil
}

// unanswered ends a query without a reply. How late this process noticed is its own share of the wait.
func (r *run) unanswered(err error, foreign int) *fault {
	r.end("query")
	if deadline, ok := r.ctx.Deadline(); ok && errors.Is(r.ctx.Err(), context.DeadlineExceeded) {
		r.obs.Delay = max(0, r.begin.Sub(deadline))
	}
	return udpFault(r, err, foreign)
}

// unasked ends a query that was not sent.
func (r *run) unasked(err error) *fault {
	r.end("query")
	return udpFault(r, err, 0)
}

// udpFault knows no reasons of a connection: over UDP a port that is shut and a host that cannot be reached are seen by
// chance only, so both are what they would be without that chance, a query without an answer.
func udpFault(r *run, err error, foreign int) *fault {
	f := r.classify(err, asking)
	switch f.reason {
	case uptally.ConnectRefused, uptally.ConnectUnreachable, uptally.ConnectReset:
		f.reason = uptally.QueryTimeout
	}
	if foreign > 0 {
		f.detail += fmt.Sprintf(" (%d replies to other questions)", foreign)
	}
	return f
}
