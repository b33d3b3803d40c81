package probes

import (
	"bufio"
	"crypto/tls"
	"io"
	"net"
	"net/http"
)

// forward is a proxy that does as it is told: CONNECT, or a request with its whole URL.
func forward(c net.Conn) { forwardFor("")(c) }

// forwardFor demands a login where there is one.
func forwardFor(login string) func(net.Conn) {
	return func(c net.Conn) {
		buf := bufio.NewReader(c)
		req, err := http.ReadRequest(buf)
		if err != nil {
			return
		}
		if login != "" && req.Header.Get("Proxy-Authorization") != login {
			// A careless proxy: it repeats what it was sent.
			_, _ = io.WriteString(c, "HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\nX-Sent: "+req.Header.Get("Proxy-Authorization")+"\r\n\r\n")
			return
		}
		to, err := net.Dial("tcp", req.Host)
		if err != nil {
			_, _ = io.WriteString(c, "HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n")
			return
		}
		defer to.Close()
		if req.Method == http.MethodConnect {
			_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\n\r\n")
		} else {
			req.Header.Del("Proxy-Authorization")
			_ = req.Write(to)
		}
		relay(c, buf, to)
	}
}

// relay carries bytes both ways until the target ends.
func relay(c net.Conn, from io.Reader, to net.Conn) {
	go func() {
		_, _ = io.Copy(to, from)
		_ = to.(*net.TCPConn).CloseWrite()
	}()
	_, _ = io.Copy(c, to)
}

// socksServer answers with a reply code, and demands a login where there is a user (RFC 1928, RFC 1929).
func socksServer(code byte, user, password string) func(net.Conn) {
	return func(c net.Conn) {
		read := func(n int) []byte {
			b := make([]byte, n)
			_, _ = io.ReadFull(c, b)
			return b
		}
		offered := read(int(read(2)[1]))
		if user != "" {
			if offered[len(offered)-1] != 2 {
				_, _ = c.Write([]byte{5, 0xff})
				return
			}
			_, _ = c.Write([]byte{5, 2})
			name := string(read(int(read(2)[1])))
			if name != user || string(read(int(read(1)[0]))) != password {
				_, _ = c.Write([]byte{1, 1})
				return
			}
			_, _ = c.Write([]byte{1, 0})
		} else {
			_, _ = c.Write([]byte{5, 0})
		}
		var host string
		switch read(4)[3] {
		case 1:
			host = net.IP(read(4)).String()
		case 4:
			host = net.IP(read(16)).String()
		default:
			host = string(read(int(read(1)[0])))
		}
		port := read(2)
		_, _ = c.Write([]byte{5, code, 0, 1, 0, 0, 0, 0, 0, 0})
		if code != 0 {
			return
		}
		to, err := net.DialTCP("tcp", nil, &net.TCPAddr{IP: net.ParseIP(host), Port: int(port[0])<<8 | int(port[1])})
		if err != nil {
			return
		}
		defer to.Close()
		relay(c, c, to)
	}
}

// plainConn is the TCP connection itself.
func plainConn(c net.Conn) net.Conn {
	if secure, ok := c.(*tls.Conn); ok {
		return secure.NetConn()
	}
	return c
}
