package configs

import (
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/uptally/uptally"
)

// Blackbox is a configuration of blackbox_exporter, the Prometheus project's prober: its modules, and where in the file each of
// their keys stands. Its keys are those of releases 0.23 to 0.28.
type Blackbox struct {
	d       *document
	modules map[string]blackboxModule
	lines   map[string]int // of the keys, by path; of list elements, of their values
}

// LoadBlackbox reads a configuration of blackbox_exporter as strictly as that program does: unknown keys are problems. Aliases,
// merges and keys without a value are understood, as they are there. The error is a *ProblemsError with everything wrong in it.
func LoadBlackbox(path string) (*Blackbox, error) {
	d := open(path)
	b := blackboxOf(d)
	if err := orNil(d.all()); err != nil {
		return nil, err
	}
	return b, nil
}

func blackboxOf(d *document) *Blackbox {
	d.foreign()
	var f blackboxFile
	d.decode(&f)
	b := &Blackbox{d: d, modules: f.Modules, lines: map[string]int{}}
	for path, at := range d.places.paths {
		b.lines[path] = at.node.Line
	}
	for _, at := range d.places.keys {
		b.lines[at.path] = at.node.Line
	}
	if len(f.Modules) == 0 && d.root != nil {
		d.complain("modules", "at least one module")
	}
	for _, name := range b.Modules() {
		moduleReader{d, join("modules", shown(name))}.module(f.Modules[name])
	}
	return b
}

// Modules returns the names of the modules, sorted.
func (b *Blackbox) Modules() []string { return sortedKeys(b.modules) }

type blackboxFile struct {
	Modules map[string]blackboxModule `yaml:"modules"`
}

type blackboxModule struct {
	Prober    string            `yaml:"prober"`
	Timeout   goDuration        `yaml:"timeout"`
	HTTP      blackboxHTTP      `yaml:"http"`
	TCP       blackboxTCP       `yaml:"tcp"`
	ICMP      blackboxICMP      `yaml:"icmp"`
	DNS       blackboxDNS       `yaml:"dns"`
	GRPC      blackboxGRPC      `yaml:"grpc"`
	Unix      blackboxUnix      `yaml:"unix"`
	Websocket blackboxWebsocket `yaml:"websocket"`
}

// blackboxFamily is how a module chooses among a name's addresses: both keys mean something when they are missing.
type blackboxFamily struct {
	Preferred string `yaml:"preferred_ip_protocol"`
	Fallback  *bool  `yaml:"ip_protocol_fallback"`
}

type blackboxHTTP struct {
	blackboxFamily    `yaml:",inline"`
	blackboxClient    `yaml:",inline"`
	StatusCodes       []int                 `yaml:"valid_status_codes"`
	Versions          []string              `yaml:"valid_http_versions"`
	SkipResolve       bool                  `yaml:"skip_resolve_phase_with_proxy"`
	NoFollowRedirects *bool                 `yaml:"no_follow_redirects"`
	FailIfSSL         bool                  `yaml:"fail_if_ssl"`
	FailIfNotSSL      bool                  `yaml:"fail_if_not_ssl"`
	Method            string                `yaml:"method"`
	Headers           map[string]literal    `yaml:"headers"`
	BodyMatches       []string              `yaml:"fail_if_body_matches_regexp"`
	BodyNotMatches    []string              `yaml:"fail_if_body_not_matches_regexp"`
	JSONMatches       string                `yaml:"fail_if_body_json_matches_cel"`
	JSONNotMatches    string                `yaml:"fail_if_body_json_not_matches_cel"`
	HeaderMatches     []blackboxHeaderMatch `yaml:"fail_if_header_matches"`
	HeaderNotMatches  []blackboxHeaderMatch `yaml:"fail_if_header_not_matches"`
	Body              string                `yaml:"body"`
	BodyFile          string                `yaml:"body_file"`
	Compression       string                `yaml:"compression"`
	BodySizeLimit     byteSize              `yaml:"body_size_limit"`
	EnableHTTP3       bool                  `yaml:"enable_http3"`
}

type blackboxHeaderMatch struct {
	Header       string `yaml:"header"`
	Regexp       string `yaml:"regexp"`
	AllowMissing bool   `yaml:"allow_missing"`
}

// blackboxClient is the settings of an HTTP client that Prometheus's programs share.
type blackboxClient struct {
	Basic           *blackboxBasic            `yaml:"basic_auth"`
	Authorization   *blackboxAuthorization    `yaml:"authorization"`
	OAuth2          *blackboxOAuth2           `yaml:"oauth2"`
	BearerToken     literal                   `yaml:"bearer_token"`
	BearerTokenFile string                    `yaml:"bearer_token_file"`
	TLS             blackboxTLS               `yaml:"tls_config"`
	FollowRedirects *bool                     `yaml:"follow_redirects"`
	EnableHTTP2     *bool                     `yaml:"enable_http2"`
	HTTPHeaders     map[string]blackboxHeader `yaml:"http_headers"`
	blackboxProxy   `yaml:",inline"`
}

type blackboxProxy struct {
	URL            literal              `yaml:"proxy_url"`
	NoProxy        string               `yaml:"no_proxy"`
	Environment    bool                 `yaml:"proxy_from_environment"`
	ConnectHeaders map[string][]literal `yaml:"proxy_connect_header"`
}

type blackboxBasic struct {
	Username     string  `yaml:"username"`
	UsernameFile string  `yaml:"username_file"`
	UsernameRef  string  `yaml:"username_ref"`
	Password     literal `yaml:"password"`
	PasswordFile string  `yaml:"password_file"`
	PasswordRef  string  `yaml:"password_ref"`
}

type blackboxAuthorization struct {
	Type            string  `yaml:"type"`
	Credentials     literal `yaml:"credentials"`
	CredentialsFile string  `yaml:"credentials_file"`
	CredentialsRef  string  `yaml:"credentials_ref"`
}

type blackboxOAuth2 struct {
	ClientID         string             `yaml:"client_id"`
	ClientSecret     literal            `yaml:"client_secret"`
	ClientSecretFile string             `yaml:"client_secret_file"`
	ClientSecretRef  string             `yaml:"client_secret_ref"`
	Scopes           []string           `yaml:"scopes"`
	TokenURL         string             `yaml:"token_url"`
	EndpointParams   map[string]literal `yaml:"endpoint_params"`
	TLS              blackboxTLS        `yaml:"tls_config"`
	blackboxProxy    `yaml:",inline"`
}

type blackboxHeader struct {
	Values  []string  `yaml:"values"`
	Secrets []literal `yaml:"secrets"`
	Files   []string  `yaml:"files"`
}

type blackboxTLS struct {
	CA         literal `yaml:"ca"`
	Cert       literal `yaml:"cert"`
	Key        literal `yaml:"key"`
	CAFile     string  `yaml:"ca_file"`
	CertFile   string  `yaml:"cert_file"`
	KeyFile    string  `yaml:"key_file"`
	CARef      string  `yaml:"ca_ref"`
	CertRef    string  `yaml:"cert_ref"`
	KeyRef     string  `yaml:"key_ref"`
	ServerName string  `yaml:"server_name"`
	SkipVerify bool    `yaml:"insecure_skip_verify"`
	MinVersion string  `yaml:"min_version"`
	MaxVersion string  `yaml:"max_version"`
}

type blackboxTCP struct {
	blackboxFamily `yaml:",inline"`
	Source         string          `yaml:"source_ip_address"`
	Dialogue       []blackboxQuery `yaml:"query_response"`
	Secure         bool            `yaml:"tls"`
	TLS            blackboxTLS     `yaml:"tls_config"`
}

// blackboxQuery is one entry of a dialogue: what to wait for, then what to send, then whether TLS begins.
type blackboxQuery struct {
	Expect      *string         `yaml:"expect"`
	ExpectBytes string          `yaml:"expect_bytes"`
	Labels      []blackboxLabel `yaml:"labels"`
	Send        string          `yaml:"send"`
	StartTLS    bool            `yaml:"starttls"`
}

type blackboxLabel struct {
	Name  string `yaml:"name"`
	Value string `yaml:"value"`
}

type blackboxICMP struct {
	blackboxFamily `yaml:",inline"`
	Source         string `yaml:"source_ip_address"`
	PayloadSize    int    `yaml:"payload_size"`
	DontFragment   bool   `yaml:"dont_fragment"`
	TTL            *int   `yaml:"ttl"`
}

type blackboxDNS struct {
	blackboxFamily `yaml:",inline"`
	Source         string          `yaml:"source_ip_address"`
	OverTLS        bool            `yaml:"dns_over_tls"`
	TLS            blackboxTLS     `yaml:"tls_config"`
	Transport      string          `yaml:"transport_protocol"`
	Class          string          `yaml:"query_class"`
	Name           string          `yaml:"query_name"`
	Type           string          `yaml:"query_type"`
	Recursion      *bool           `yaml:"recursion_desired"`
	RCodes         []string        `yaml:"valid_rcodes"`
	Answer         blackboxRecords `yaml:"validate_answer_rrs"`
	Authority      blackboxRecords `yaml:"validate_authority_rrs"`
	Additional     blackboxRecords `yaml:"validate_additional_rrs"`
}

// blackboxRecords is what is asked of one section of a reply.
type blackboxRecords struct {
	Matches     []string `yaml:"fail_if_matches_regexp"`
	AllMatch    []string `yaml:"fail_if_all_match_regexp"`
	NotMatches  []string `yaml:"fail_if_not_matches_regexp"`
	NoneMatches []string `yaml:"fail_if_none_matches_regexp"`
}

type blackboxGRPC struct {
	blackboxFamily `yaml:",inline"`
	Service        string               `yaml:"service"`
	Secure         bool                 `yaml:"tls"`
	TLS            blackboxTLS          `yaml:"tls_config"`
	Metadata       map[string][]literal `yaml:"metadata"`
}

type blackboxUnix struct {
	Dialogue []blackboxQuery `yaml:"query_response"`
	Secure   bool            `yaml:"tls"`
	TLS      blackboxTLS     `yaml:"tls_config"`
}

type blackboxWebsocket struct {
	blackboxFamily `yaml:",inline"`
	Client         blackboxClient            `yaml:"http_config"`
	Headers        map[string]blackboxHeader `yaml:"headers"`
	Dialogue       []blackboxQuery           `yaml:"query_response"`
}

// literal is a text that may be a secret: no problem and no remark shows it.
type literal string

// goDuration is a span in Go's form, in whole milliseconds.
type goDuration uptally.Duration

// UnmarshalText accepts what blackbox_exporter does: 5s, 1.5s, 1m30s; also 0.
func (g *goDuration) UnmarshalText(text []byte) error {
	v, err := time.ParseDuration(string(text))
	if err != nil || v < 0 || v%time.Millisecond != 0 {
		return fmt.Errorf("got %q, want a duration in whole milliseconds, such as 5s", text)
	}
	*g = goDuration(v.Milliseconds())
	return nil
}

// byteSize is a number of bytes with its unit, whose kilo is 1024 whether written KB or KiB.
type byteSize int64

var byteSizeForm = regexp.MustCompile(`^([0-9]+(?:\.[0-9]+)?)([KMGTPE]?)(?:i?B)$`)

// UnmarshalText accepts 10MB, 1.5MiB, 500B and 0.
func (s *byteSize) UnmarshalText(text []byte) error {
	if string(text) == "0" {
		*s = 0
		return nil
	}
	m := byteSizeForm.FindSubmatch(text)
	if m == nil {
		return fmt.Errorf("got %q, want a size with its unit, such as 10MB", text)
	}
	n, _ := strconv.ParseFloat(string(m[1]), 64) // the form is a number
	for i := strings.Index("KMGTPE", string(m[2])); len(m[2]) > 0 && i >= 0; i-- {
		n *= 1024
	}
	*s = byteSize(min(n, math.MaxInt64/2))
	return nil
}

// tlsVersionOf turns TLS12 into 1.2; empty stays empty.
func tlsVersionOf(word string) (string, bool) {
	v, ok := map[string]string{"": "", "TLS10": "1.0", "TLS11": "1.1", "TLS12": "1.2", "TLS13": "1.3"}[word]
	return v, ok
}
