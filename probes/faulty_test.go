package probes

import (
	"bytes"
	"io"
	"net"
	"testing"
	"time"
)

// flaw is what goes wrong on the way to a real server, which stays the peer: of what it says only the first bytes arrive, and
// then something happens.
type flaw struct {
	delay  time.Duration // of the first byte
	passed int           // bytes of the server that arrive
	then   ending
}

// ending is what happens after the bytes that arrive.
type ending int

const (
	nothing ending = iota // the rest arrives too
	resets                // the connection is reset
	closes                // the connection is closed
	stalls                // nothing more is said
	garbles               // one byte is turned over, and the rest arrives
)

// through puts a flaw in front of a TCP server. Nothing happens before the server has said its first byte.
func through(t testing.TB, address string, f flaw) string {
	t.Helper()
	return listenTCP(t, func(c net.Conn) {
		to, err := net.Dial("tcp", address)
		if err != nil {
			return
		}
		defer to.Close()
		left := make(chan struct{})
		go func() {
			defer close(left)
			_, _ = io.Copy(to, c)
			_ = to.(*net.TCPConn).CloseWrite()
		}()
		f.relay(c, to, left)
	})
}

func (f flaw) relay(c, to net.Conn, left <-chan struct{}) {
	first := make([]byte, 1)
	if _, err := io.ReadFull(to, first); err != nil {
		return
	}
	if f.delay > 0 {
		late := time.NewTimer(f.delay)
		defer late.Stop()
		select {
		case <-late.C:
		case <-left:
			return
		}
	}
	said := io.MultiReader(bytes.NewReader(first), to)
	if f.then != nothing {
		if _, err := io.CopyN(c, said, int64(f.passed)); err != nil {
			return
		}
	}
	switch f.then {
	case resets:
		reset(c)
	case stalls:
		<-left
	case closes:
		_ = c.(*net.TCPConn).CloseWrite()
		<-left
	case garbles:
		b := make([]byte, 1)
		if _, err := io.ReadFull(said, b); err == nil {
			_, _ = c.Write([]byte{b[0] ^ 0xff})
		}
		fallthrough
	default:
		_, _ = io.Copy(c, said)
	}
}

// throughUDP hands each reply of a UDP server to change, and sends on what that returns, after a delay.
func throughUDP(t testing.TB, address string, delay time.Duration, change func(reply []byte) [][]byte) string {
	t.Helper()
	u, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		buf := make([]byte, 65535)
		for {
			n, from, err := u.ReadFrom(buf)
			if err != nil {
				return
			}
			if reply := askedOnce(address, buf[:n]); reply != nil {
				time.AfterFunc(delay, func() {
					for _, b := range change(reply) {
						_, _ = u.WriteTo(b, from)
					}
				})
			}
		}
	}()
	t.Cleanup(func() { _ = u.Close(); <-done })
	return u.LocalAddr().String()
}

// askedOnce sends one datagram and returns the answer, or nil.
func askedOnce(address string, question []byte) []byte {
	c, err := net.Dial("udp", address)
	if err != nil {
		return nil
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(generous))
	reply := make([]byte, 65535)
	if _, err = c.Write(question); err == nil {
		var n int
		if n, err = c.Read(reply); err == nil {
			return reply[:n]
		}
	}
	return nil
}
