package server_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/uptally/uptally/ledger"
	"github.com/uptally/uptally/ledger/delivery"
)

// pipes is a listener whose connections are in memory, so that a bubble's time passes for their deadlines.
type pipes struct {
	conns chan net.Conn
	once  sync.Once
	done  chan struct{}
}

func newPipes() *pipes { return &pipes{conns: make(chan net.Conn), done: make(chan struct{})} }

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.done:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error {
	p.once.Do(func() { close(p.done) })
	return nil
}

func (p *pipes) Addr() net.Addr { return &net.UnixAddr{Name: "pipe"} }

func (p *pipes) dial() net.Conn {
	mine, theirs := net.Pipe()
	p.conns <- theirs
	return mine
}

// inBubble tells a story to a server whose connections are in memory, with an agent that is enrolled.
func inBubble(t *testing.T, story func(t *testing.T, h *hall, l *pipes, token delivery.Secret)) {
	synctest.Test(t, func(t *testing.T) {
		h := &hall{t: t, store: &ledger.Memory{}, log: &lines{}, now: time.Now()}
		h.start(h.store)
		bearer := delivery.NewBearer(7)
		err := h.store.Admit(t.Context(), ledger.Admission{Agent: 7, Kind: ledger.Enrolled, Site: "fra1"},
			ledger.Admission{Agent: 7, Kind: ledger.Bearer, Digest: bearer.Digest()})
		if err != nil {
			t.Fatal(err)
		}
		l, srv, ended := newPipes(), h.agents.Server(), make(chan error, 1)
		go func() { ended <- srv.Serve(l) }()
		story(t, h, l, bearer)
		srv.Close()
		<-ended
		<-time.After(time.Second) // of the bubble: a connection that is closed lingers half of it
	}) // which demands that every goroutine has ended
}

// A thousand connections that say next to nothing are closed after five seconds, all of them.
func TestSlowHeaders(t *testing.T) {
	inBubble(t, func(t *testing.T, _ *hall, l *pipes, _ delivery.Secret) {
		began := time.Now()
		var wg sync.WaitGroup
		for range 1_000 {
			c := l.dial()
			wg.Go(func() {
				defer c.Close()
				fmt.Fprint(c, "POST /agent/hello HTTP/1.1\r\nHost")
				got, err := io.ReadAll(c)
				if err != nil || string(got) != "HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\n\r\n400 Bad Request" {
					t.Errorf("got %q, %v", got, err)
				}
			})
		}
		wg.Wait()
		if after := time.Since(began); after != 5*time.Second {
			t.Errorf("closed after %v, want 5s", after)
		}
	})
}

// A body that does not come costs a request half a minute and its place, which it gives back.
func TestSlowBody(t *testing.T) {
	inBubble(t, func(t *testing.T, h *hall, l *pipes, token delivery.Secret) {
		c := l.dial()
		defer c.Close()
		began := time.Now()
		fmt.Fprintf(c, "POST /agent/batches HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nContent-Length: 1000000\r\n\r\nabc", token.Reveal())
		r, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil {
			t.Fatal(err)
		}
		defer r.Body.Close()
		text, err := io.ReadAll(r.Body)
		if err != nil || r.StatusCode != 408 || string(text) != problem("the body ended early or came too slowly") {
			t.Errorf("got %d %s, %v", r.StatusCode, text, err)
		}
		if after := time.Since(began); after != 30*time.Second {
			t.Errorf("answered after %v, want 30s", after)
		}
		if !h.agents.Reserve(8, 32<<20) {
			t.Error("got no room, want all of it back")
		}
	})
}

// A header of more than 16 KiB is refused, and what has no length.
func TestLargeHeader(t *testing.T) {
	inBubble(t, func(t *testing.T, _ *hall, l *pipes, token delivery.Secret) {
		for name, c := range map[string]struct {
			header string
			code   int
		}{
			"large":     {"X-Long: " + strings.Repeat("x", 24<<10), 431},
			"no length": {"Authorization: Bearer " + token.Reveal() + "\r\nTransfer-Encoding: chunked", 411},
		} {
			conn := l.dial()
			go fmt.Fprintf(conn, "POST /agent/hello HTTP/1.1\r\nHost: x\r\n%s\r\n\r\n", c.header)
			r, err := http.ReadResponse(bufio.NewReader(conn), nil)
			if err != nil || r.StatusCode != c.code {
				t.Errorf("%s: got %v, %v, want %d", name, r, err, c.code)
			}
			conn.Close()
		}
	})
}
