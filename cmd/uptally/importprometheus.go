package main

import (
	"cmp"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/uptally/uptally/agreements"
	"github.com/uptally/uptally/ledger/history"
)

// prometheusImport is the command line of `uptally import prometheus`.
type prometheusImport struct {
	importing
	from, to string
	ask      history.Prometheus

	bearerFile, user, passwordFile, caFile, tenant string
}

func importPrometheusCommand(s streams) *cobra.Command {
	var i prometheusImport
	c := &cobra.Command{
		Use:   "prometheus --url URL --from INSTANT --to INSTANT (--site NAME | --site-label LABEL)",
		Short: "store what blackbox_exporter measured, out of Prometheus, VictoriaMetrics or Mimir, as evidence of its own",
		Example: "  uptally import prometheus --url http://127.0.0.1:9090 --from 2026-10-01T00:00:00Z --to 2026-11-01T00:00:00Z --site fra1 --check-label service\n" +
			"  uptally import prometheus --url https://metrics.example.com/prometheus --bearer-file token --match 'instance=\"https://portal.example.com/\"' \\\n" +
			"    --check portal-home --site-label datacenter --from 2026-10-01T00:00:00Z --to 2026-11-01T00:00:00Z",
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return i.run(c, s) },
	}
	i.flags(c)
	f := c.Flags()
	f.StringVar(&i.ask.URL, "url", "", "the base of the server's API, such as http://127.0.0.1:9090")
	f.StringVar(&i.from, "from", "", "the first instant, RFC 3339")
	f.StringVar(&i.to, "to", "", "the instant after the last, RFC 3339")
	f.StringVar(&i.ask.Match, "match", "", "label matchers that narrow the series down, such as 'job=\"blackbox\"'")
	f.StringVar(&i.ask.Check, "check", "", "the name of the check")
	f.StringVar(&i.ask.CheckLabel, "check-label", "instance", "the label that names the check")
	f.StringVar(&i.ask.Site, "site", "", "the name of the site")
	f.StringVar(&i.ask.SiteLabel, "site-label", "", "the label that names the site")
	f.StringVar(&i.bearerFile, "bearer-file", "", "a file that holds a bearer token")
	f.StringVar(&i.user, "user", "", "the name to log in with, with --password-file")
	f.StringVar(&i.passwordFile, "password-file", "", "a file that holds the password")
	f.StringVar(&i.caFile, "ca-file", "", "certificates (PEM) that the server's must be signed by, instead of the system's")
	f.StringVar(&i.tenant, "tenant", "", "the tenant of Mimir, sent as X-Scope-OrgID")
	for _, name := range []string{"url", "from", "to"} {
		c.MarkFlagRequired(name)
	}
	c.MarkFlagsOneRequired("site", "site-label")
	c.MarkFlagsMutuallyExclusive("site", "site-label")
	c.MarkFlagsMutuallyExclusive("check", "check-label")
	c.MarkFlagsMutuallyExclusive("bearer-file", "user")
	c.MarkFlagsRequiredTogether("user", "password-file")
	return c
}

func (i *prometheusImport) run(c *cobra.Command, s streams) error {
	first, end, err := pastRange(i.from, i.to)
	if err != nil {
		return err
	}
	if err := i.connect(); err != nil {
		return err
	}
	cfg, err := i.load()
	if err != nil {
		return printProblems(s, err)
	}
	from := source{kind: agreements.ImportPrometheus, name: i.ask.URL, query: i.ask.Query()}
	b := history.NewBuilder(history.AgentOf(from.kind, from.name, from.query), i.terms)
	if from.sha256, err = i.ask.Read(c.Context(), first, end, b.Add); err != nil {
		return err
	}
	im, err := b.Done()
	if err != nil {
		return fmt.Errorf("ask %q for %s: %w", from.name, from.query, err)
	}
	return i.store(c.Context(), s, cfg, im, from)
}

// answerWithin bounds one answer: a day of samples.
const answerWithin = 5 * time.Minute

// connect checks the address and reads the secrets.
func (i *prometheusImport) connect() error {
	u, err := url.Parse(i.ask.URL)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return usageError{fmt.Errorf("import: want --url with http or https, a host and perhaps a path, and no password in it: see --user and --bearer-file")}
	}
	i.ask.URL, i.ask.Header = strings.TrimSuffix(i.ask.URL, "/"), http.Header{}
	secret, err := readSecret(cmp.Or(i.bearerFile, i.passwordFile))
	switch {
	case err != nil:
		return err
	case i.bearerFile != "":
		i.ask.Header.Set("Authorization", "Bearer "+secret)
	case i.user != "":
		i.ask.Header.Set("Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(i.user+":"+secret)))
	}
	if i.tenant != "" {
		i.ask.Header.Set("X-Scope-OrgID", i.tenant)
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.TLSClientConfig = &tls.Config{MinVersion: tls.VersionTLS12}
	if i.caFile != "" {
		pem, err := os.ReadFile(i.caFile)
		if err != nil {
			return fmt.Errorf("read certificates: %w", err)
		}
		transport.TLSClientConfig.RootCAs = x509.NewCertPool()
		if !transport.TLSClientConfig.RootCAs.AppendCertsFromPEM(pem) {
			return fmt.Errorf("read certificates %q: got none, want at least one in PEM", i.caFile)
		}
	}
	i.ask.Client = &http.Client{Transport: transport, Timeout: answerWithin}
	return nil
}

// readSecret reads a file that holds a secret alone; without a name there is none.
func readSecret(file string) (string, error) {
	if file == "" {
		return "", nil
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return "", fmt.Errorf("read secret: %w", err)
	}
	secret := strings.TrimSpace(string(text))
	if secret == "" || strings.ContainsAny(secret, "\r\n") {
		return "", fmt.Errorf("read secret %q: want one line that is not empty", file)
	}
	return secret, nil
}
