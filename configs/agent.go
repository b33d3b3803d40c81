package configs

import (
	"fmt"
	"math"
	"net"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/uptally/uptally"
)

// Agent is an agent that delivers to a server: where it keeps what it measured, and to whom it hands it. What it measures, the server
// says.
type Agent struct {
	// Path is the file it was read from. Data is the folder of identity, plans and spool, as seen from where the process runs.
	Path, Data string
	// Site is the name of the place, Server the URL of the server; both are those for which the agent was enrolled.
	Site, Server string
	// Listen is the address of its own metrics, host:port; empty is none.
	Listen string
	// SpoolBound is the largest size of the spool in bytes, SpoolKeep how long what the server has stays, in milliseconds.
	SpoolBound, SpoolKeep int64
	// References are asked here in place of the server's: nil is not given, empty is none.
	References []Reference
}

type agentFile struct {
	Site       string     `yaml:"site"`
	Server     string     `yaml:"server"`
	Data       string     `yaml:"data"`
	Spool      *spoolFile `yaml:"spool"`
	Listen     string     `yaml:"listen"`
	References []string   `yaml:"references"`
}

type spoolFile struct {
	Bound *capacity         `yaml:"bound"`
	Keep  *uptally.Duration `yaml:"keep"`
}

// What a spool may be: its least size, and the size and the keeping time where none is given.
const (
	leastSpool   = 4 << 20
	defaultSpool = 1 << 30
	defaultKeep  = 72 * uptally.Hour
)

// LoadAgent reads an agent's file. The error is a *ProblemsError with everything wrong in it; the Agent is then nil.
func LoadAgent(path string) (*Agent, error) {
	l := newLoader()
	d := open(path)
	a := l.agent(d)
	l.take(d)
	if err := orNil(l.problems); err != nil {
		return nil, err
	}
	return a, nil
}

func (l *loader) agent(d *document) *Agent {
	f := agentFile{Data: DefaultData}
	d.decode(&f)
	a := &Agent{Path: d.file, Site: f.Site, Server: f.Server, Data: relative(d.file, f.Data), Listen: f.Listen, SpoolBound: defaultSpool, SpoolKeep: int64(defaultKeep)}
	d.name("site", f.Site)
	if u, err := url.Parse(f.Server); err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" || strings.HasSuffix(f.Server, "/") {
		d.complain("server", "the URL of the server, such as https://uptally.example.com:8443")
	}
	if f.Data == "" {
		d.complain("data", "a folder, such as "+DefaultData)
	}
	if f.Listen != "" && !isAddress(f.Listen) {
		d.complain("listen", "an address such as 127.0.0.1:8081")
	}
	if s := f.Spool; s != nil {
		a.SpoolBound, a.SpoolKeep = int64(or(s.Bound, defaultSpool)), int64(or(s.Keep, defaultKeep))
		if a.SpoolBound < leastSpool {
			d.complain("spool.bound", "at least 4MiB")
		}
		if a.SpoolKeep < int64(uptally.Hour) {
			d.complain("spool.keep", "at least 1h, and longer than the newest backup of the ledger is old")
		}
	}
	if f.References != nil { // else the server's
		a.References = l.references(d, f.References)
	}
	return a
}

// capacity is a number of bytes with its unit.
type capacity int64

var capacityForm = regexp.MustCompile(`^([1-9][0-9]*)(MiB|GiB|TiB)$`)

// UnmarshalText accepts 512MiB, 2GiB and 1TiB.
func (c *capacity) UnmarshalText(text []byte) error {
	m := capacityForm.FindSubmatch(text)
	if m == nil {
		return fmt.Errorf("got %q, want a size with its unit, such as 2GiB", text)
	}
	unit := int64(1) << (20 + 10*slices.Index([]string{"MiB", "GiB", "TiB"}, string(m[2])))
	n, err := strconv.ParseInt(string(m[1]), 10, 64)
	if err != nil || n > math.MaxInt64/unit/2 {
		return fmt.Errorf("got %q, want a size that a disk can have", text)
	}
	*c = capacity(n * unit)
	return nil
}

// Agents are how agents of other sites reach the server.
type Agents struct {
	// Listen is the address of their port, host:port; empty is none.
	Listen string
	// Names are the host names and addresses by which agents reach it: those of its certificate. There are none behind a proxy.
	Names []string
	// BehindProxy: a proxy ends TLS, and agents show bearer tokens. Insecure allows that beyond loopback.
	BehindProxy, Insecure bool
}

type agentsFile struct {
	Listen      string   `yaml:"listen"`
	Names       []string `yaml:"names"`
	BehindProxy bool     `yaml:"behind_proxy"`
	Insecure    bool     `yaml:"insecure"`
}

// agents checks how agents reach the server.
func (d *document) agents(f *agentsFile) Agents {
	if f == nil {
		return Agents{}
	}
	if !isAddress(f.Listen) {
		d.complain("agents.listen", "an address such as 0.0.0.0:8443")
	}
	switch {
	case f.BehindProxy && len(f.Names) > 0:
		d.complain("agents.names", "none where a proxy ends TLS and shows its own certificate")
	case !f.BehindProxy && len(f.Names) == 0:
		d.complain("agents.names", "the host names and addresses by which agents reach this server")
	case !f.BehindProxy && f.Insecure:
		d.complain("agents.insecure", "behind_proxy beside it: without a proxy there is TLS")
	}
	for i, name := range f.Names {
		switch path := item("agents.names", i); {
		case !hostForm.MatchString(name) && net.ParseIP(name) == nil:
			d.complain(path, "a host name or an address, such as uptally.example.com")
		case slices.Contains(f.Names[:i], name):
			d.complain(path, "each name once")
		}
	}
	return Agents(*f)
}

var hostForm = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?)*$`)
