package configs

import (
	"regexp"
	"strings"

	"github.com/uptally/uptally/probes"
)

// Ledger says where the evidence is kept.
type Ledger struct {
	// Postgres is a connection string of libpq, without a password; empty is the embedded ledger in the folder of data.
	Postgres string
	// Password is where the password is kept; nil is none, or libpq's environment and password file.
	Password *probes.Secret
}

type ledgerFile struct {
	Postgres literal        `yaml:"postgres"` // never repeated in a problem
	Password *probes.Secret `yaml:"password"`
}

// dsnPassword finds a password in a connection string: behind its key, or before the host of a URL.
var dsnPassword = regexp.MustCompile(`(?i)(^|[\s?&])(ssl)?password\s*=|^[a-z]+://[^/?@]*:[^/?@]*@`)

// ledger checks where the evidence is kept.
func (d *document) ledger(f *ledgerFile) Ledger {
	if f == nil {
		return Ledger{}
	}
	switch dsn := string(f.Postgres); {
	case dsn == "":
		d.complain("ledger.postgres", "a connection string, such as host=db.example.com user=uptally dbname=uptally")
	case dsnPassword.MatchString(dsn):
		d.complain("ledger.postgres", "a connection string without a password; that goes to ledger.password")
	}
	if f.Password != nil {
		for _, p := range f.Password.Validate() {
			p.Path = strings.TrimSuffix(join("ledger.password", p.Path), ".")
			d.report(p)
		}
	}
	return Ledger{Postgres: string(f.Postgres), Password: f.Password}
}
