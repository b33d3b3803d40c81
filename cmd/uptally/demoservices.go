package main

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

// demoAddress is what the demo's DNS service answers while it works.
const demoAddress = "192.0.2.10"

// demoServices are three small services on loopback whose behaviour is set by the script.
type demoServices struct {
	shop  *demoListener // HTTP
	mail  *demoListener // TCP that greets
	names net.Addr      // DNS

	namesHow  atomic.Value // string
	stopNames func() error
}

// startDemoServices starts all three on free ports of 127.0.0.1.
func startDemoServices(log *slog.Logger) (*demoServices, error) {
	d := &demoServices{}
	d.namesHow.Store(works)
	var err error
	if d.names, d.stopNames, err = answerDNS("127.0.0.1:0", d.answerName, log); err != nil {
		return nil, err
	}
	if d.shop, err = listenDemo(serveShop); err != nil {
		return nil, errors.Join(err, d.stopNames())
	}
	if d.mail, err = listenDemo(serveMail); err != nil {
		return nil, errors.Join(err, d.shop.close(), d.stopNames())
	}
	return d, nil
}

// set makes one service behave as the script says.
func (d *demoServices) set(service, how string) error {
	switch service {
	case "shop":
		return d.shop.set(how)
	case "mail":
		return d.mail.set(how)
	case "names":
		d.namesHow.Store(how)
		return nil
	}
	return fmt.Errorf("set service %q: got no such service", service)
}

func (d *demoServices) close() error {
	return errors.Join(d.shop.close(), d.mail.close(), d.stopNames())
}

func (d *demoServices) answerName(string) (netip.Addr, dnsmessage.RCode, bool) {
	switch d.namesHow.Load() {
	case silent:
		return netip.Addr{}, 0, true
	case answersServer:
		return netip.Addr{}, dnsmessage.RCodeServerFailure, false
	case wrongAddress:
		return netip.MustParseAddr("192.0.2.99"), dnsmessage.RCodeSuccess, false
	}
	return netip.MustParseAddr(demoAddress), dnsmessage.RCodeSuccess, false
}

// demoListener is a TCP port that can be closed and opened again, and whose connections are served in one of the
// script's ways.
type demoListener struct {
	addr  string
	serve func(net.Conn, string)

	mu    sync.Mutex
	how   string
	l     net.Listener
	conns map[net.Conn]struct{}
	wg    sync.WaitGroup
}

func listenDemo(serve func(net.Conn, string)) (*demoListener, error) {
	d := &demoListener{addr: "127.0.0.1:0", serve: serve, conns: map[net.Conn]struct{}{}}
	return d, d.set(works)
}

// set changes the behaviour of new connections. Those that hang are cut when the fault ends; a request that is being
// answered was sent before the fault and is left alone.
func (d *demoListener) set(how string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.how == hangs {
		for c := range d.conns {
			c.Close()
		}
	}
	d.how = how
	if how == refuses {
		return d.closeLocked()
	}
	if d.l != nil {
		return nil
	}
	l, err := net.Listen("tcp", d.addr)
	if err != nil {
		return fmt.Errorf("listen for the demo on %q: %w", d.addr, err)
	}
	d.l, d.addr = l, l.Addr().String()
	d.wg.Go(func() { d.accept(l) })
	return nil
}

func (d *demoListener) accept(l net.Listener) {
	for {
		c, err := l.Accept()
		if err != nil {
			return // closed by set or close
		}
		d.mu.Lock()
		how := d.how
		d.conns[c] = struct{}{}
		d.mu.Unlock()
		d.wg.Go(func() {
			defer func() {
				c.Close()
				d.mu.Lock()
				delete(d.conns, c)
				d.mu.Unlock()
			}()
			d.serve(c, how)
		})
	}
}

func (d *demoListener) closeLocked() error {
	if d.l == nil {
		return nil
	}
	err := d.l.Close()
	d.l = nil
	return err
}

func (d *demoListener) close() error {
	d.mu.Lock()
	err := d.closeLocked()
	for c := range d.conns {
		c.Close()
	}
	d.mu.Unlock()
	d.wg.Wait()
	return err
}

// serveShop answers one HTTP request.
func serveShop(c net.Conn, how string) {
	buf := make([]byte, 4096)
	if _, err := c.Read(buf); err != nil {
		return
	}
	status, body := http.StatusOK, `{"shop":"open"}`
	switch how {
	case hangs:
		waitClosed(c)
		return
	case answers503:
		status, body = http.StatusServiceUnavailable, `{"shop":"closed"}`
	}
	fmt.Fprintf(c, "HTTP/1.1 %d %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s",
		status, http.StatusText(status), len(body), body)
}

// serveMail greets like a mail server and hangs up.
func serveMail(c net.Conn, how string) {
	if how == hangs {
		waitClosed(c)
		return
	}
	io.WriteString(c, "220 mail.example.com ready\r\n")
}

// waitClosed returns when the other side, or the script, closes the connection.
func waitClosed(c net.Conn) {
	c.SetReadDeadline(time.Now().Add(time.Minute))
	io.Copy(io.Discard, c)
}
