package probes

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/net/http/httpguts"

	"github.com/uptally/uptally"
)

// OAuth2 is a log-in by client credentials (RFC 6749, 4.4): a token is asked for before the request, and kept as long as it
// lasts.
type OAuth2 struct {
	// TokenURL is where the token is asked for, http or https.
	TokenURL     string  `yaml:"token_url"`
	ClientID     string  `yaml:"client_id"`
	ClientSecret *Secret `yaml:"client_secret"`
	// Scopes are what the token is for.
	Scopes []string `yaml:"scopes"`
	// Params are sent besides, such as audience.
	Params map[string]string `yaml:"params"`
	// Auth is basic (default), or post: how client_id and client_secret are sent, as a header or in the form.
	Auth string `yaml:"auth"`
}

func (o *OAuth2) validate(p *problems) {
	u, err := url.Parse(o.TokenURL)
	switch {
	case err != nil && strings.Contains(o.TokenURL, "@"):
		p.add("token_url", "a URL that cannot be read", "an http or https URL, such as https://login.example.com/token")
	case err != nil || o.TokenURL == "":
		p.add("token_url", o.TokenURL, "an http or https URL, such as https://login.example.com/token")
	case u.User != nil:
		p.add("token_url", u.Redacted(), "a URL without user and password")
	case checkURL(u) != "":
		p.add("token_url", o.TokenURL, checkURL(u))
	}
	if o.ClientID == "" {
		p.add("client_id", "", "the name of the client")
	}
	o.ClientSecret.validate(p.at("client_secret"))
	for i, s := range o.Scopes {
		if s == "" || strings.ContainsAny(s, " \"\\") {
			p.add(fmt.Sprintf("scopes[%d]", i), s, "one scope, without blanks")
		}
	}
	for _, name := range []string{"grant_type", "client_id", "client_secret", "scope"} {
		if _, ok := o.Params[name]; ok {
			p.add("params", name, "a parameter that has no setting of its own")
		}
	}
	p.word("auth", o.Auth, "basic", "post")
}

// Bounds of a token.
const (
	maxTokenBody = 64 << 10
	// tokenMargin is how long before its end a token is no longer used; of a short-lived one a quarter.
	tokenMargin = 30 * time.Second
)

// tokens is a prepared OAuth2 and the one token that is kept.
type tokens struct {
	url     *url.URL
	form    string
	login   string // of the Authorization header, or ""
	secrets []string

	asking chan struct{} // holds one value while a token is asked for
	mu     sync.Mutex
	kept   token
}

type token struct {
	text  string
	until time.Time
	cover *cover
}

func (o *OAuth2) prepare(from Source) (*tokens, []string, error) {
	if o == nil {
		return nil, nil, nil
	}
	u, err := url.Parse(o.TokenURL)
	if err != nil {
		return nil, nil, fmt.Errorf("parse oauth2.token_url: %w", err)
	}
	u.Fragment, u.RawFragment = "", ""
	secret, err := o.ClientSecret.read(from)
	if err != nil {
		return nil, nil, fmt.Errorf("oauth2.client_secret: %w", err)
	}
	t := &tokens{url: u, secrets: []string{secret}, asking: make(chan struct{}, 1)}
	form := url.Values{"grant_type": {"client_credentials"}}
	if len(o.Scopes) > 0 {
		form.Set("scope", strings.Join(o.Scopes, " "))
	}
	for name, value := range o.Params {
		form.Set(name, value)
	}
	if o.Auth == "post" {
		form.Set("client_id", o.ClientID)
		form.Set("client_secret", secret)
	} else { // both are escaped before they are joined (RFC 6749, 2.3.1)
		login := basicLogin(url.UserPassword(url.QueryEscape(o.ClientID), url.QueryEscape(secret)))
		t.login, t.secrets = "Basic "+login, append(t.secrets, login)
	}
	t.form = form.Encode()
	return t, t.secrets, nil
}

// get returns the token that is kept, or asks for one. Asking is a phase of the probe and no part of its response time,
// which begins anew.
func (t *tokens) get(r *run, p *httpProbe) (string, *fault) {
	select {
	case t.asking <- struct{}{}:
		defer func() { <-t.asking }()
	case <-r.ctx.Done():
		return "", r.classify(r.ctx.Err(), awaiting)
	}
	t.mu.Lock()
	kept := t.kept
	t.mu.Unlock()
	if time.Now().Before(kept.until) {
		r.hide = kept.cover
		return kept.text, nil
	}
	aside := r.aside()
	fresh, f := t.fetch(aside, p)
	r.end("token")
	if f != nil {
		r.obs.Delay += aside.obs.Delay
		f.detail = "token: " + f.detail
		return "", f
	}
	t.mu.Lock()
	t.kept = fresh
	t.mu.Unlock()
	r.hide = fresh.cover
	r.fact("token", "new")
	r.start()
	return fresh.text, nil
}

// forget drops a token that was refused, so that the next probe asks for another.
func (t *tokens) forget(text string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.kept.text == text {
		t.kept = token{}
	}
}

// fetch asks for a token, at one address and without following redirects.
func (t *tokens) fetch(r *run, p *httpProbe) (token, *fault) {
	req := &http.Request{
		Method: http.MethodPost, URL: t.url, Host: t.url.Host, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Close: true,
		Header: http.Header{"Content-Type": {"application/x-www-form-urlencoded"}, "Accept": {"application/json"}, "User-Agent": {userAgent}},
		Body:   io.NopCloser(strings.NewReader(t.form)), ContentLength: int64(len(t.form)),
	}
	if t.login != "" {
		req.Header.Set("Authorization", t.login)
	}
	x, f := p.ask(r, req, p.foreign)
	defer x.close()
	if f != nil {
		return token{}, f
	}
	asked := time.Now()
	body, f := x.body(r, maxTokenBody)
	if f != nil {
		return token{}, f
	}
	if x.resp.StatusCode != http.StatusOK {
		return token{}, faultf(uptally.Status, "got %s, want 200", statusLine(x.resp)).quoting(r.hide, body)
	}
	return t.parse(body, asked)
}

// parse reads the answer (RFC 6749, 5.1). It is never shown: what is wrong with it may still hold a token. A token that does
// not say how long it lasts is for one probe.
func (t *tokens) parse(body []byte, asked time.Time) (token, *fault) {
	var got struct {
		Token   string      `json:"access_token"`
		Type    string      `json:"token_type"`
		Expires json.Number `json:"expires_in"`
	}
	switch err := json.Unmarshal(body, &got); {
	case err != nil:
		return token{}, faultf(uptally.ResponseMalformed, "got no JSON object with a token")
	case got.Token == "" || !httpguts.ValidHeaderFieldValue(got.Token):
		return token{}, faultf(uptally.ResponseMalformed, "got no access_token that can be sent")
	case !strings.EqualFold(got.Type, "bearer"):
		return token{}, faultf(uptally.ResponseMalformed, "got another token_type than Bearer")
	}
	lasts := time.Duration(0)
	if n, err := got.Expires.Int64(); err == nil && n > 0 {
		lasts = time.Duration(min(n, 24*60*60)) * time.Second
		lasts -= min(tokenMargin, lasts/4)
	}
	return token{got.Token, asked.Add(lasts), newCover(append(slices.Clone(t.secrets), got.Token))}, nil
}
