package configs

import (
	"cmp"
	"encoding/base64"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/uptally/uptally/probes"
)

// login takes over who is asking: user and password of the target's URL, or what the module says.
func (c *carrier) login(out *probes.HTTP, h blackboxClient, user *url.Userinfo) {
	bearer := func(key string, token literal, file string) {
		if out.Bearer = c.secretFile(key+"_file", file); token != "" {
			out.Bearer = c.secret(key, token)
		}
	}
	given := slices.ContainsFunc(out.Headers, func(hd probes.Header) bool { return http.CanonicalHeaderKey(hd.Name) == "Authorization" })
	switch {
	case given: // it wins over all others there, too
	case h.Basic != nil:
		c.basic(out, *h.Basic)
	case h.Authorization != nil:
		c.authorization(out, *h.Authorization)
	case h.OAuth2 != nil:
		c.oauth2(out, *h.OAuth2)
	case h.BearerToken != "" || h.BearerTokenFile != "":
		bearer("bearer_token", h.BearerToken, h.BearerTokenFile)
	case user != nil:
		password, _ := user.Password()
		c.userInfo(out, user.Username(), literal(password))
	}
	if user != nil && (given || h.Basic != nil || h.OAuth2 != nil || out.Bearer != nil) {
		c.note(Differs, "", "user and password of the target's URL are left out, since the module logs in")
	}
	if out.Basic != nil || out.Bearer != nil || out.OAuth2 != nil {
		c.note(Differs, "follow_redirects", "credentials go to the target's own origin only; blackbox_exporter sends them wherever a redirect leads")
	}
}

func (c *carrier) basic(out *probes.HTTP, b blackboxBasic) {
	c.refs(map[string]string{"basic_auth.username_ref": b.UsernameRef, "basic_auth.password_ref": b.PasswordRef})
	switch {
	case b.UsernameFile != "":
		c.note(NotCarried, "basic_auth.username_file", "the user name stands in the check; write it to basic.user")
	case b.PasswordFile != "":
		out.Basic = &probes.Basic{User: b.Username, Password: c.secretFile("basic_auth.password_file", b.PasswordFile)}
	case b.Username == "" || b.Password == "" || strings.Contains(b.Username, ":"):
		coded := base64.StdEncoding.EncodeToString([]byte(b.Username + ":" + string(b.Password)))
		out.Headers = append(out.Headers, probes.Header{Name: "Authorization", Secret: c.secret("basic_auth.password", literal("Basic "+coded))})
	default:
		out.Basic = &probes.Basic{User: b.Username, Password: c.secret("basic_auth.password", b.Password)}
	}
}

// userInfo logs in as the target's URL says. The password belongs to the target and not to the module.
func (c *carrier) userInfo(out *probes.HTTP, name string, password literal) {
	if name == "" || password == "" {
		c.note(NotCarried, "", "user or password of the target's URL is empty")
		return
	}
	file := secretName(c.target.Module, showTarget(c.target.Target)+".password")
	path := c.keepAs(file, "", password, "the password in the URL of target "+showTarget(c.target.Target))
	out.Basic = &probes.Basic{User: name, Password: &probes.Secret{File: path}}
}

func (c *carrier) authorization(out *probes.HTTP, a blackboxAuthorization) {
	c.refs(map[string]string{"authorization.credentials_ref": a.CredentialsRef})
	typ := cmp.Or(strings.TrimSpace(a.Type), "Bearer")
	switch {
	case typ == "Bearer" && a.Credentials != "":
		out.Bearer = c.secret("authorization.credentials", a.Credentials)
	case typ == "Bearer":
		out.Bearer = c.secretFile("authorization.credentials_file", a.CredentialsFile)
	case a.CredentialsFile != "":
		c.note(NotCarried, "authorization.credentials_file", "only a bearer token stands in a file alone; make a file with %q in front and refer to it in a header Authorization", typ+" ")
	case a.Credentials != "":
		out.Headers = append(out.Headers, probes.Header{Name: "Authorization", Secret: c.secret("authorization.credentials", literal(typ)+" "+a.Credentials)})
	}
}

func (c *carrier) oauth2(out *probes.HTTP, o blackboxOAuth2) {
	c.refs(map[string]string{"oauth2.client_secret_ref": o.ClientSecretRef})
	out.OAuth2 = &probes.OAuth2{TokenURL: o.TokenURL, ClientID: o.ClientID, Scopes: o.Scopes}
	if out.OAuth2.ClientSecret = c.secretFile("oauth2.client_secret_file", o.ClientSecretFile); o.ClientSecret != "" {
		out.OAuth2.ClientSecret = c.secret("oauth2.client_secret", o.ClientSecret)
	}
	for _, name := range sortedKeys(o.EndpointParams) {
		if out.OAuth2.Params == nil {
			out.OAuth2.Params = map[string]string{}
		}
		out.OAuth2.Params[name] = string(o.EndpointParams[name])
	}
	if !isZero(o.TLS) {
		c.note(Differs, "oauth2.tls_config", "the token is asked for with the check's own tls settings")
	}
	if !isZero(o.blackboxProxy) {
		c.note(Differs, "oauth2.proxy_url", "the token is asked for by the way of the check's own requests")
	}
}

// connection takes over version and proxy.
func (c *carrier) connection(out *probes.HTTP, h blackboxHTTP, u *url.URL) {
	// Without a wish about versions, the cheaper one will do: what a server says hardly ever depends on it.
	if len(out.Versions) > 0 && (h.EnableHTTP2 == nil || *h.EnableHTTP2) && (u.Scheme == "https" || out.Redirects != "none") {
		out.HTTP2 = "auto"
	}
	c.proxy(out, h)
}

func (c *carrier) proxy(out *probes.HTTP, h blackboxHTTP) {
	if h.URL == "" && !h.Environment {
		return
	}
	p := &probes.Proxy{Environment: h.Environment}
	if h.URL != "" {
		u, err := url.Parse(string(h.URL))
		if err != nil {
			c.note(NotCarried, "proxy_url", "got no URL that can be read")
			return
		}
		if user := u.User; user != nil {
			password, _ := user.Password()
			p.User = user.Username()
			if password != "" {
				p.Password = c.secret("proxy_url", literal(password))
			}
		}
		u.User = nil
		p.URL = u.String()
	}
	p.NoProxy = strings.FieldsFunc(h.NoProxy, func(r rune) bool { return r == ',' || r == ' ' })
	for _, name := range sortedKeys(h.ConnectHeaders) {
		for i, v := range h.ConnectHeaders[name] {
			p.ConnectHeaders = append(p.ConnectHeaders, probes.Header{Name: name, Secret: c.secret(item("proxy_connect_header."+name, i), v)})
		}
	}
	if !h.SkipResolve {
		c.note(Differs, "skip_resolve_phase_with_proxy", "blackbox_exporter resolves the target's name before it asks the proxy; here the proxy does, unless resolve: agent is added, which needs a proxy that allows CONNECT")
	}
	out.Proxy = p
}
