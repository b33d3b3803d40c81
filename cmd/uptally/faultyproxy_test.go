package main

import (
	"bytes"
	"context"
	"io"
	"maps"
	"math/rand/v2"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"
)

// faultyProxy stands between agents and a server, as proxies do that end TLS, and does to requests what networks do: it cuts a
// connection before and after delivery, delivers twice, delivers what was given up later, after what came since, and answers itself. It
// is sound until it is spoiled.
type faultyProxy struct {
	url, server string
	client      *http.Client
	late        sync.WaitGroup

	mu     sync.Mutex
	random *rand.Rand
	sound  bool
	counts map[string]int
}

// startProxy delivers to the server at an address until the test ends.
func startProxy(t *testing.T, server string, random *rand.Rand) *faultyProxy {
	t.Helper()
	l, err := net.Listen("tcp", freeAddress(t))
	if err != nil {
		t.Fatal(err)
	}
	p := &faultyProxy{
		url: "http://" + l.Addr().String(), server: "http://" + server, client: &http.Client{Timeout: time.Minute, Transport: &http.Transport{}},
		random: random, sound: true, counts: map[string]int{},
	}
	srv := &http.Server{Handler: p}
	ended := make(chan error, 1)
	go func() { ended <- srv.Serve(l) }()
	t.Cleanup(func() {
		srv.Close()
		<-ended
		p.late.Wait()
		p.client.CloseIdleConnections()
	})
	return p
}

// requestFaults and how often of a hundred each is.
var requestFaults = []struct {
	name string
	rate int
}{
	{"cut before delivery", 8}, {"cut after delivery", 10}, {"delivered twice", 10}, {"delivered late", 8}, {"answered by a stranger", 4},
}

func (p *faultyProxy) fault() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	name := "delivered"
	if n := p.random.IntN(100); !p.sound {
		for _, f := range requestFaults {
			if n < f.rate {
				name = f.name
				break
			}
			n -= f.rate
		}
	}
	p.counts[name]++
	return name
}

// spoil begins the faults.
func (p *faultyProxy) spoil() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.sound = false
}

// mend ends the faults, and waits until what is late was delivered.
func (p *faultyProxy) mend() map[string]int {
	p.mu.Lock()
	p.sound = true
	counts := maps.Clone(p.counts)
	p.mu.Unlock()
	p.late.Wait()
	return counts
}

func (p *faultyProxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil { // who sent it is dead
		panic(http.ErrAbortHandler)
	}
	switch p.fault() {
	case "cut before delivery":
		panic(http.ErrAbortHandler)
	case "cut after delivery":
		p.deliver(r, body)
		panic(http.ErrAbortHandler)
	case "delivered twice":
		p.deliver(r, body)
	case "delivered late":
		p.mu.Lock()
		wait := time.Duration(p.random.IntN(3_000)) * time.Millisecond
		p.mu.Unlock()
		p.late.Add(1)
		time.AfterFunc(wait, func() {
			defer p.late.Done()
			p.deliver(r, body)
		})
		panic(http.ErrAbortHandler)
	case "answered by a stranger":
		http.Error(w, "<html>out of order</html>", http.StatusBadGateway)
		return
	}
	status, reply := p.deliver(r, body)
	w.WriteHeader(status)
	w.Write(reply)
}

// deliver brings a request to the server and returns its answer.
func (p *faultyProxy) deliver(r *http.Request, body []byte) (status int, reply []byte) {
	ask, err := http.NewRequestWithContext(context.Background(), r.Method, p.server+r.URL.RequestURI(), bytes.NewReader(body))
	if err != nil {
		panic(err)
	}
	ask.Header = r.Header.Clone()
	answer, err := p.client.Do(ask)
	if err != nil {
		return http.StatusBadGateway, []byte("no server")
	}
	defer answer.Body.Close()
	if reply, err = io.ReadAll(answer.Body); err != nil {
		return http.StatusBadGateway, []byte("the server died")
	}
	return answer.StatusCode, reply
}
