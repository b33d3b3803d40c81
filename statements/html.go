package statements

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"fmt"
	"html/template"
	"io"
)

//go:embed page.html
var pageHTML string

//go:embed index.html
var indexHTML string

//go:embed page.css
var pageCSS string

// ContentSecurityPolicy is the header value under which both pages work: no script, nothing from elsewhere, no frame,
// and the one style sheet by its digest.
func ContentSecurityPolicy() string { return pagePolicy() + "; frame-ancestors 'none'" }

// pagePolicy is the part of the policy that a page may state about itself, for a page that came by mail.
func pagePolicy() string {
	sum := sha256.Sum256([]byte(pageCSS))
	return "default-src 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'; base-uri 'none'; form-action 'none'"
}

// HTML writes the statement as one self-contained page: no script, nothing to load.
func (s *Statement) HTML(w io.Writer) error {
	type account struct {
		S *Statement
		A *Account
	}
	var accounts []account
	for i := range s.Accounts {
		accounts = append(accounts, account{s, &s.Accounts[i]})
	}
	return render(w, pageHTML, struct {
		S        *Statement
		Accounts []account
		CSS      template.CSS
		Policy   string
	}{s, accounts, template.CSS(pageCSS), pagePolicy()})
}

// render runs a page into memory first, so that a failure leaves no half page behind.
func render(w io.Writer, page string, data any) error {
	t, err := template.New("page").Funcs(template.FuncMap{"seconds": seconds, "span": span, "thousands": thousands}).Parse(page)
	if err != nil {
		panic("BUG: parse page: " + err.Error())
	}
	var b bytes.Buffer
	if err := t.Execute(&b, data); err != nil {
		return fmt.Errorf("render page: %w", err)
	}
	_, err = w.Write(b.Bytes())
	return err
}
