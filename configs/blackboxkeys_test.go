package configs

import (
	"fmt"
	"reflect"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/uptally/uptally"
)

// sample is a value for a key, and what has to stand beside it for the key to matter; a key that it stands instead of goes.
type sample struct{ beside, value, instead string }

// samples are for every key of the modules that can be carried, by the type that holds it; values are no defaults.
var samples = map[string]sample{
	"module.timeout": {"", "5s", ""},

	"family.preferred_ip_protocol": {"", "ip4", ""},
	"family.ip_protocol_fallback":  {"", "false", ""},

	"http.valid_status_codes":                {"", "[204]", ""},
	"http.valid_http_versions":               {"", "[HTTP/1.1]", ""},
	"http.skip_resolve_phase_with_proxy":     {`proxy_url: "http://p:1"`, "true", ""},
	"http.no_follow_redirects":               {"", "true", ""},
	"http.fail_if_ssl":                       {"", "true", ""},
	"http.fail_if_not_ssl":                   {"", "true", ""},
	"http.method":                            {"", "POST", ""},
	"http.headers":                           {"", "{ A: b }", ""},
	"http.fail_if_body_matches_regexp":       {"", "[a]", ""},
	"http.fail_if_body_not_matches_regexp":   {"", "[a]", ""},
	"http.fail_if_body_json_matches_cel":     {"", "body.a", ""},
	"http.fail_if_body_json_not_matches_cel": {"", "body.a", ""},
	"http.fail_if_header_matches":            {"", "[{ header: A, regexp: b }]", ""},
	"http.fail_if_header_not_matches":        {"", "[{ header: A, regexp: b }]", ""},
	"http.body":                              {"", "text", ""},
	"http.body_file":                         {"", "text.txt", ""},
	"http.compression":                       {"", "gzip", ""},
	"http.body_size_limit":                   {"", "1KB", ""},
	"http.enable_http3":                      {"", "true", ""},
	"headermatch.header":                     {"header: B, regexp: b", "A", ""},
	"headermatch.regexp":                     {"header: A, regexp: c", "b", ""},
	"headermatch.allow_missing":              {"header: A, regexp: b", "true", ""},

	"client.bearer_token":      {"", "hidden", ""},
	"client.bearer_token_file": {"", "/token", ""},
	"client.follow_redirects":  {"", "false", ""},
	"client.enable_http2":      {"valid_http_versions: [HTTP/1.1]", "false", ""},
	"client.http_headers":      {"", "{ A: { values: [b] } }", ""},
	"proxy.proxy_url":          {"", "http://p:1", ""},
	"proxy.no_proxy":           {`proxy_url: "http://p:1"`, "example.com", ""},

	"proxy.proxy_from_environment":        {"", "true", ""},
	"proxy.proxy_connect_header":          {`proxy_url: "http://p:1"`, "{ A: [b] }", ""},
	"basic.username":                      {"password: x", "me", ""},
	"basic.username_file":                 {"password: x", "me.txt", ""},
	"basic.username_ref":                  {"password: x", "me", ""},
	"basic.password":                      {"username: me", "x", ""},
	"basic.password_file":                 {"username: me", "x.txt", ""},
	"basic.password_ref":                  {"username: me", "x", ""},
	"authorization.type":                  {"credentials: x", "ApiKey", ""},
	"authorization.credentials":           {"", "x", ""},
	"authorization.credentials_file":      {"", "x.txt", ""},
	"authorization.credentials_ref":       {"", "x", ""},
	"oauth2.client_id":                    {"", "other", ""},
	"oauth2.client_secret":                {"", "s", ""},
	"oauth2.client_secret_file":           {"", "x.txt", "client_secret"},
	"oauth2.client_secret_ref":            {"", "x", "client_secret"},
	"oauth2.scopes":                       {"", "[a]", ""},
	"oauth2.token_url":                    {"", "http://other/", ""},
	"oauth2.endpoint_params":              {"", "{ a: b }", ""},
	"header.values":                       {"", "[a]", ""},
	"header.secrets":                      {"", "[a]", ""},
	"header.files":                        {"", "[a]", ""},
	"tls.ca":                              {"", "PEM", ""},
	"tls.cert":                            {"cert_file: /c, key_file: /k", "PEM", "cert_file"},
	"tls.key":                             {"cert_file: /c, key_file: /k", "PEM", "key_file"},
	"tls.ca_file":                         {"", "/ca", ""},
	"tls.cert_file":                       {"cert_file: /c, key_file: /k", "/other", ""},
	"tls.key_file":                        {"cert_file: /c, key_file: /k", "/other", ""},
	"tls.ca_ref":                          {"", "x", ""},
	"tls.cert_ref":                        {"cert_file: /c, key_file: /k", "x", "cert_file"},
	"tls.key_ref":                         {"cert_file: /c, key_file: /k", "x", "key_file"},
	"tls.server_name":                     {"", "a.example.com", ""},
	"tls.insecure_skip_verify":            {"", "true", ""},
	"tls.min_version":                     {"", "TLS13", ""},
	"tls.max_version":                     {"", "TLS12", ""},
	"tcp.source_ip_address":               {"", "192.0.2.1", ""},
	"tcp.query_response":                  {"", "[{ expect: a }]", ""},
	"tcp.tls":                             {"", "true", ""},
	"query.expect":                        {"", "a", ""},
	"query.expect_bytes":                  {"", "a", ""},
	"query.labels":                        {"expect: a", "[{ name: a, value: b }]", ""},
	"query.send":                          {"", "a", ""},
	"query.starttls":                      {"", "true", ""},
	"icmp.source_ip_address":              {"", "192.0.2.1", ""},
	"icmp.payload_size":                   {"", "1000", ""},
	"icmp.dont_fragment":                  {"", "true", ""},
	"icmp.ttl":                            {"", "5", ""},
	"dns.source_ip_address":               {"", "192.0.2.1", ""},
	"dns.dns_over_tls":                    {"transport_protocol: tcp", "true", ""},
	"dns.transport_protocol":              {"", "tcp", ""},
	"dns.query_class":                     {"", "CH", ""},
	"dns.query_name":                      {"", "other.example.com", ""},
	"dns.query_type":                      {"", "MX", ""},
	"dns.recursion_desired":               {"", "false", ""},
	"dns.valid_rcodes":                    {"", "[NXDOMAIN]", ""},
	"records.fail_if_matches_regexp":      {"", "[a]", ""},
	"records.fail_if_all_match_regexp":    {"", "[a]", ""},
	"records.fail_if_not_matches_regexp":  {"", "[a]", ""},
	"records.fail_if_none_matches_regexp": {"", "[a]", ""},
	"grpc.service":                        {"", "a", ""},
	"grpc.tls":                            {"", "true", ""},
	"grpc.metadata":                       {"", "{ a: [b] }", ""},
}

const oauthBeside = `client_id: me, token_url: "http://tokens/", client_secret: s`

// Every key of a module changes what comes out, or is spoken of: nothing is dropped in silence.
func TestBlackboxEveryKeyCounts(t *testing.T) {
	targets := map[string]string{"http": "https://a.example.com/", "tcp": "a.example.com:25", "icmp": "a.example.com", "dns": "ns.example.com", "grpc": "a.example.com:443"}
	module := reflect.TypeFor[blackboxModule]()
	n := 0
	for prober, target := range targets {
		field, _ := module.FieldByNameFunc(func(name string) bool { return strings.EqualFold(name, prober) })
		base := map[string]string{"dns": "query_name: a.example.com", "grpc": "tls: true"}[prober]
		each(field.Type, prober, base, func(path, with, lone string) {
			n++
			if strings.HasPrefix(path, "http.oauth2.") && (strings.Contains(lone, "cert_file") || strings.Contains(lone, "proxy_url")) {
				return // these blocks are spoken of once
			}
			read := func(inner string) string {
				text := fmt.Sprintf("modules: { m: { prober: %s, %s: { %s } } }", prober, prober, inner)
				d := parse("blackbox.yml", []byte(text))
				b := blackboxOf(d)
				if err := orNil(d.all()); err != nil {
					t.Fatalf("%s: %v\n%s", path, err, text)
				}
				return said(b.Import([]ScrapeTarget{{Module: "m", Target: target}}, ImportOptions{Secrets: "secrets"}))
			}
			if a, b := read(with), read(lone); a == b {
				t.Errorf("%s is dropped in silence:\n%s", path, a)
			}
		})
	}
	if n < 120 {
		t.Errorf("got %d keys, want at least 120", n)
	}
}

// each calls f for every key that a struct reads, with a module's text that has it and one that does not.
func each(typ reflect.Type, path, beside string, f func(path, with, without string)) {
	for field := range typ.Fields() {
		tag, opts, _ := strings.Cut(field.Tag.Get("yaml"), ",")
		in := field.Type
		for in.Kind() == reflect.Pointer || in.Kind() == reflect.Slice || in.Kind() == reflect.Map {
			in = in.Elem()
		}
		nested := in.Kind() == reflect.Struct && strings.HasPrefix(in.Name(), "blackbox") && in != reflect.TypeFor[blackboxLabel]()
		if opts == "inline" {
			each(in, path, beside, f)
			continue
		}
		s, known := samples[strings.ToLower(strings.TrimPrefix(typ.Name(), "blackbox"))+"."+tag]
		if known {
			rest := glue(beside, s.beside)
			if strings.Contains(beside, tag+": "+s.value) {
				rest = lacking(rest, tag)
			}
			f(path+"."+tag, glue(lacking(lacking(rest, tag), s.instead), tag+": "+s.value), rest)
		} else if !nested {
			f(path+"."+tag+" (no sample)", "", "")
		}
		if !nested {
			continue
		}
		wrap := func(inner string) string {
			switch field.Type.Kind() {
			case reflect.Slice:
				inner = "[{ " + inner + " }]"
			case reflect.Map:
				inner = "{ A: { " + inner + " } }"
			default:
				inner = "{ " + inner + " }"
			}
			using := map[string]string{"dns.tls_config": "dns_over_tls: true, transport_protocol: tcp", "tcp.tls_config": "tls: true"}[path+"."+tag]
			return glue(glue(lacking(beside, tag), using), tag+": "+inner)
		}
		inner := ""
		if tag == "oauth2" {
			inner = oauthBeside
		}
		each(in, path+"."+tag, inner, func(path, with, without string) { f(path, wrap(with), wrap(without)) })
	}
}

func glue(a, b string) string {
	if a == "" || b == "" {
		return a + b
	}
	return a + ", " + b
}

// lacking takes a key out of a flow mapping's text.
func lacking(text, key string) string {
	var rest []string
	for _, part := range strings.Split(text, ", ") {
		if !strings.HasPrefix(part, key+":") && part != "" {
			rest = append(rest, part)
		}
	}
	return strings.Join(rest, ", ")
}

// Whatever keys stand together and whatever the target, what is taken over has no problem.
func TestBlackboxImportsAreSound(t *testing.T) {
	module := reflect.TypeFor[blackboxModule]()
	rapid.Check(t, func(t *rapid.T) {
		prober := rapid.SampledFrom([]string{"http", "tcp", "icmp", "dns", "grpc"}).Draw(t, "prober")
		field, _ := module.FieldByNameFunc(func(name string) bool { return strings.EqualFold(name, prober) })
		text := fmt.Sprintf("modules: { m: { prober: %s, timeout: 7s, %s: %s } }", prober, prober, drawn(t, field.Type))
		d := parse("blackbox.yml", []byte(text))
		b := blackboxOf(d)
		if len(d.all()) > 0 {
			t.Skip("blackbox_exporter would refuse it")
		}
		target := rapid.SampledFrom([]string{"a.example.com", "https://a.example.com/x", "http://u:p@[2001:db8::1]:8080/?q#f", "192.0.2.1:53", "[2001:db8::1]:25", "a b", ""}).Draw(t, "target")
		im := b.Import([]ScrapeTarget{{Module: "m", Target: target}}, ImportOptions{Secrets: "s", Every: uptally.Duration(rapid.SampledFrom([]int64{1000, 31000}).Draw(t, "every"))})
		if len(im.Checks) > 0 {
			sound(t, string(im.Text("here")))
		}
	})
}

// drawn is some of the keys of a struct with their samples, as a flow mapping.
func drawn(t *rapid.T, typ reflect.Type) string {
	text := ""
	var add func(typ reflect.Type)
	add = func(typ reflect.Type) {
		for field := range typ.Fields() {
			tag, opts, _ := strings.Cut(field.Tag.Get("yaml"), ",")
			in := field.Type
			for in.Kind() == reflect.Pointer {
				in = in.Elem()
			}
			s, known := samples[strings.ToLower(strings.TrimPrefix(typ.Name(), "blackbox"))+"."+tag]
			switch {
			case opts == "inline":
				add(in)
			case rapid.IntRange(0, 5).Draw(t, tag) > 0 && tag != "query_name":
			case known:
				text = glue(text, tag+": "+s.value)
			case in.Kind() == reflect.Struct:
				text = glue(text, tag+": "+drawn(t, in))
			}
		}
	}
	add(typ)
	return "{ " + text + " }"
}
