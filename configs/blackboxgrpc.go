package configs

import (
	"encoding/binary"
	"net"
	"net/http"
	"net/url"
	"strings"

	"github.com/uptally/uptally/probes"
)

// Health of gRPC as HTTP/2 carries it: the method's path, and how the answer SERVING begins, a message of two bytes that is
// not compressed. Source: the health checking protocol and the HTTP/2 transport of gRPC.
const (
	grpcHealthPath = "/grpc.health.v1.Health/Check"
	grpcServing    = `\A\x00\x00\x00\x00\x02\x08\x01`
)

// grpc asks for the health of a service by one request over HTTP/2, which is what a probe of gRPC is.
func (c *carrier) grpc(g blackboxGRPC) []probes.Settings {
	if !g.Secure {
		return c.leaveOut("HTTP/2 without TLS cannot be measured here; a tcp check says at least that the port is open")
	}
	target := c.target.Target
	if !strings.HasPrefix(target, "http://") && !strings.HasPrefix(target, "https://") {
		target = "http://" + target
	}
	u, err := url.Parse(target)
	if err != nil || u.Hostname() == "" {
		return c.leaveOut("got no address that can be read, want one such as grpc.example.com:443")
	}
	host := u.Host
	if u.Port() == "" {
		host = net.JoinHostPort(u.Hostname(), "443")
	}
	out := probes.HTTP{
		URL: "https://" + host + grpcHealthPath, Method: http.MethodPost, HTTP2: "require", Compression: "none", Redirects: "none",
		Headers: []probes.Header{{Name: "Content-Type", Value: "application/grpc"}, {Name: "TE", Value: "trailers"}},
		Payload: grpcRequest(g.Service), Status: []string{"200"}, BodyRegexp: grpcServing,
	}
	out.Family, out.TLS = c.family(g.blackboxFamily, u.Hostname()), c.tls("tls_config", g.TLS, "")
	for _, name := range sortedKeys(g.Metadata) {
		for i, v := range g.Metadata[name] {
			out.Headers = append(out.Headers, probes.Header{Name: name, Secret: c.secret(item("metadata."+name, i), v)})
		}
	}
	return []probes.Settings{{HTTP: &out}}
}

// grpcRequest is the one message of a request for the health of a service: not compressed, its length, and a field of text.
func grpcRequest(service string) string {
	var message []byte
	if service != "" {
		message = append(binary.AppendUvarint([]byte{0x0a}, uint64(len(service))), service...)
	}
	return string(append(binary.BigEndian.AppendUint32([]byte{0}, uint32(len(message))), message...))
}
