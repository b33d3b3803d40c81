package main

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/uptally/uptally"
	"github.com/uptally/uptally/configs"
)

// blackboxImport is the command line of `uptally import blackbox-config`.
type blackboxImport struct {
	targetFiles, targets  []string
	every                 uptally.Duration
	site, output, secrets string
	checks                bool
}

func importCommand(s streams) *cobra.Command {
	c := &cobra.Command{
		Use:   "import",
		Short: "take over what another program has configured or recorded",
		Args:  cobra.NoArgs,
		RunE:  func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(importBlackboxCommand(s), importCSVCommand(s), importPrometheusCommand(s))
	return c
}

func importBlackboxCommand(s streams) *cobra.Command {
	var i blackboxImport
	c := &cobra.Command{
		Use:   "blackbox-config FILE (--targets FILE | --target MODULE=TARGET)…",
		Short: "turn the modules of blackbox_exporter and a list of targets into checks, saying what differs",
		Example: "  uptally import blackbox-config blackbox.yml --targets prometheus.yml -o uptally.yaml --secrets-dir secrets\n" +
			"  uptally import blackbox-config blackbox.yml --target http_2xx=https://portal.example.com/ --checks",
		Args: cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error { return i.run(s, args[0]) },
	}
	f := c.Flags()
	f.StringArrayVar(&i.targetFiles, "targets", nil, "a Prometheus configuration, a list of targets as in its file_sd_configs, or modules with lists of targets; repeatable")
	f.StringArrayVar(&i.targets, "target", nil, "one target of a module, as MODULE=TARGET; repeatable")
	f.TextVar(&i.every, "every", uptally.Duration(0), "the interval of every check; otherwise that of the scrape, or "+configs.DefaultEvery.String())
	f.StringVar(&i.site, "site", "local", "the name of the place that the installation measures from")
	f.BoolVar(&i.checks, "checks", false, "write the list of checks alone, to put into an installation")
	f.StringVarP(&i.output, "output", "o", "", "write to this file instead of standard output")
	f.StringVar(&i.secrets, "secrets-dir", "", "write the secrets of the configuration to files in this folder that nobody else may read")
	c.MarkFlagsOneRequired("targets", "target")
	return c
}

func (i *blackboxImport) run(s streams, file string) error {
	b, err := configs.LoadBlackbox(file)
	if err != nil {
		return printProblems(s, err)
	}
	targets, remarks, err := i.scrapes()
	if err != nil {
		return printProblems(s, err)
	}
	refer, err := i.refer()
	if err != nil {
		return err
	}
	im := b.Import(targets, configs.ImportOptions{Every: i.every, Secrets: refer, KeepSecrets: i.secrets != ""})
	for _, r := range append(remarks, im.Remarks...) {
		fmt.Fprintln(s.err, r)
	}
	fmt.Fprintf(s.err, "uptally: import %q: %d of %d targets as %d checks\n", file, im.Carried, im.Carried+im.Missing, len(im.Checks))
	if err := i.write(s, im); err != nil {
		return err
	}
	if im.Missing > 0 {
		return errProblems
	}
	return nil
}

// scrapes reads all lists of targets.
func (i *blackboxImport) scrapes() (targets []configs.ScrapeTarget, remarks []configs.Remark, err error) {
	for _, file := range i.targetFiles {
		more, said, err := configs.LoadScrapeTargets(file)
		if err != nil {
			return nil, nil, err
		}
		targets, remarks = append(targets, more...), append(remarks, said...)
	}
	for _, text := range i.targets {
		module, target, found := strings.Cut(text, "=")
		if !found || module == "" || target == "" {
			return nil, nil, usageError{fmt.Errorf("import: got --target %q, want MODULE=TARGET", text)}
		}
		targets = append(targets, configs.ScrapeTarget{Module: module, Target: target})
	}
	return targets, remarks, nil
}

// refer is the folder of secrets as seen from the file that is written.
func (i *blackboxImport) refer() (string, error) {
	if i.secrets == "" || filepath.IsAbs(i.secrets) {
		return cmp.Or(i.secrets, "secrets"), nil
	}
	from, err := filepath.Abs(filepath.Dir(i.output)) // of no output, the folder we are in
	if err != nil {
		return "", fmt.Errorf("find folder of %q: %w", i.output, err)
	}
	to, err := filepath.Abs(i.secrets)
	if err != nil {
		return "", fmt.Errorf("find folder %q: %w", i.secrets, err)
	}
	refer, err := filepath.Rel(from, to)
	if err != nil {
		return to, nil // on another disk
	}
	return filepath.ToSlash(refer), nil
}

func (i *blackboxImport) write(s streams, im *configs.Imported) error {
	if i.secrets != "" {
		for _, secret := range im.Secrets {
			if err := writeSecret(i.secrets, secret); err != nil {
				return err
			}
		}
	}
	site := i.site
	if i.checks {
		site = ""
	}
	text := im.Text(site)
	if i.output == "" {
		_, err := s.out.Write(text)
		return err
	}
	if err := os.WriteFile(i.output, text, 0o644); err != nil {
		return fmt.Errorf("write checks: %w", err)
	}
	return nil
}

// writeSecret makes a file that nobody else may read. One that is there already is never written over.
func writeSecret(dir string, secret configs.SecretFile) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("write secret: %w", err)
	}
	path := filepath.Join(dir, secret.Name)
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		if old, err := os.ReadFile(path); err == nil && bytes.Equal(old, secret.Bytes()) {
			return nil
		}
		return fmt.Errorf("write secret: file %q is there already and holds something else", path)
	}
	if err != nil {
		return fmt.Errorf("write secret: %w", err)
	}
	_, err = f.Write(secret.Bytes())
	if err = errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("write secret: %w", err)
	}
	return nil
}
