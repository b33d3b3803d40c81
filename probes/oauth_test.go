package probes

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/uptally/uptally"
)

// issuer answers with a token that is numbered, and keeps what it was asked.
type issuer struct {
	asked   atomic.Int64
	last    atomic.Value
	at      atomic.Value // when
	expires atomic.Value
}

func (i *issuer) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	body, _ := io.ReadAll(req.Body)
	i.last.Store(req.Header.Get("Authorization") + " " + string(body))
	i.at.Store(time.Now())
	_, _ = fmt.Fprintf(w, `{"access_token":"canary-%d","token_type":"bearer"%s}`, i.asked.Add(1), i.expires.Load())
}

func withToken(t *testing.T, url, tokenURL string) *Settings {
	t.Setenv("UPTALLY_TEST_SECRET", "can ary&")
	return &Settings{HTTP: &HTTP{URL: url, OAuth2: &OAuth2{TokenURL: tokenURL, ClientID: "me", ClientSecret: &Secret{Env: "UPTALLY_TEST_SECRET"},
		Scopes: []string{"a", "b"}, Params: map[string]string{"audience": "x y"}}}}
}

func probeWith(t *testing.T, p *Prober) Observation {
	ctx, cancel := context.WithTimeout(t.Context(), generous)
	defer cancel()
	return p.Probe(ctx)
}

// TestTokenIsKept: one that lasts is asked for once, one that does not say so each time, one that is refused again.
func TestTokenIsKept(t *testing.T) {
	var mu sync.Mutex
	var seen []string
	var refuse atomic.Bool
	target := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		mu.Lock()
		seen = append(seen, req.Header.Get("Authorization"))
		mu.Unlock()
		if refuse.Load() {
			http.Error(w, "who are you, "+req.Header.Get("Authorization"), http.StatusUnauthorized)
		}
	}))
	defer target.Close()
	i := &issuer{}
	i.expires.Store(`,"expires_in":3600`)
	login := httptest.NewServer(i)
	defer login.Close()

	s := withToken(t, target.URL, login.URL)
	p := prepared(t, s, "")
	first := probeWith(t, p)
	want(t, first, uptally.OK)
	if first.Phases[0].Name != "token" || first.Phases[1].Name != "connect" {
		t.Errorf("got phases %v", first.Phases)
	}
	if answered := i.at.Load().(time.Time); first.SentAt.Before(answered.Round(0)) {
		t.Errorf("got %v, want the response time to begin after the token came at %v", first.SentAt, answered)
	}
	want(t, probeWith(t, p), uptally.OK)
	refuse.Store(true)
	o := probeWith(t, p)
	want(t, o, uptally.Status)
	if o.Detail != "got 401 Unauthorized, want 2xx; the response begins: who are you, Bearer [secret]" {
		t.Errorf("got %q", o.Detail)
	}
	refuse.Store(false)
	want(t, probeWith(t, p), uptally.OK)
	i.expires.Store("")
	p = prepared(t, s, "")
	want(t, probeWith(t, p), uptally.OK)
	want(t, probeWith(t, p), uptally.OK)
	mu.Lock()
	got := strings.Join(seen, ", ")
	mu.Unlock()
	if got != "Bearer canary-1, Bearer canary-1, Bearer canary-1, Bearer canary-2, Bearer canary-3, Bearer canary-4" {
		t.Errorf("got %s", got)
	}
	if got := i.last.Load(); got != "Basic bWU6Y2FuK2FyeSUyNg== audience=x+y&grant_type=client_credentials&scope=a+b" {
		t.Errorf("got %q", got)
	}
	s.HTTP.OAuth2.Auth = "post"
	want(t, observe(t, s, "", generous), uptally.OK)
	if got := i.last.Load(); got != " audience=x+y&client_id=me&client_secret=can+ary%26&grant_type=client_credentials&scope=a+b" {
		t.Errorf("got %q", got)
	}
}

// TestTokenStaysAtTheOrigin: a redirect to another host takes no token along.
func TestTokenStaysAtTheOrigin(t *testing.T) {
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if req.Header.Get("Authorization") != "" {
			w.WriteHeader(http.StatusTeapot)
		}
	}))
	defer other.Close()
	target := httptest.NewServer(http.RedirectHandler(other.URL, http.StatusFound))
	defer target.Close()
	i := &issuer{}
	i.expires.Store("")
	login := httptest.NewServer(i)
	defer login.Close()
	want(t, observe(t, withToken(t, target.URL, login.URL), "", generous), uptally.OK)
}

// TestNoToken: what goes wrong at the token's URL is the verdict, in the phase of the token, and shows no secret.
func TestNoToken(t *testing.T) {
	answer := func(status int, body string) func(net.Conn) {
		return afterRequest(fmt.Sprintf("HTTP/1.1 %d X\r\nContent-Length: %d\r\n\r\n%s", status, len(body), body))
	}
	target := listenTCP(t, func(net.Conn) { t.Error("the target was asked without a token") })
	for _, tt := range []struct {
		story  string
		serve  func(net.Conn)
		want   uptally.Reason
		detail string
	}{
		{"refused", answer(401, `{"error":"invalid_client","sent":"can ary&"}`), uptally.Status, `token: got 401 Unauthorized, want 200; the response begins: {"error":"invalid_client","sent":"[secret]"}`},
		{"a redirect", afterRequest("HTTP/1.1 302 Found\r\nLocation: http://192.0.2.1/\r\nContent-Length: 0\r\n\r\n"), uptally.Status, "token: got 302 Found, want 200"},
		{"no JSON", answer(200, "canary"), uptally.ResponseMalformed, "token: got no JSON object with a token"},
		{"no token", answer(200, `{"token_type":"bearer"}`), uptally.ResponseMalformed, "token: got no access_token that can be sent"},
		{"a token of two lines", answer(200, `{"access_token":"a\r\nb","token_type":"bearer"}`), uptally.ResponseMalformed, "token: got no access_token that can be sent"},
		{"another type", answer(200, `{"access_token":"canary","token_type":"mac"}`), uptally.ResponseMalformed, "token: got another token_type than Bearer"},
		{"too large", answer(200, strings.Repeat("x", maxTokenBody+1)), uptally.BodyTooLarge, "token: got a body of 65537 bytes, want at most 65536"},
		{"closed", func(net.Conn) {}, uptally.ConnectionClosed, ""},
		{"silent", silence, uptally.ResponseTimeout, ""},
	} {
		t.Run(tt.story, func(t *testing.T) {
			within := generous
			if tt.want == uptally.ResponseTimeout {
				within = brief
			}
			o := observe(t, withToken(t, "http://"+target, "http://"+listenTCP(t, tt.serve)), "", within)
			if o.Reason == uptally.ConnectReset && tt.want == uptally.ConnectionClosed {
				o.Reason = tt.want // whether the request had arrived is a matter of luck
			}
			want(t, o, tt.want)
			if !strings.HasPrefix(o.Detail, "token: ") || tt.detail != "" && o.Detail != tt.detail || o.FailedIn != "token" || o.RTT != 0 {
				t.Errorf("got %q in %q, %v", o.Detail, o.FailedIn, o.RTT)
			}
		})
	}
	refused := observe(t, withToken(t, "http://"+target, "http://"+refusedAddress(t)), "", generous)
	want(t, refused, uptally.ConnectRefused)
}
