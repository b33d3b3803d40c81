package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/uptally/uptally"
	"github.com/uptally/uptally/configs"
	"github.com/uptally/uptally/ledger"
)

func ledgerCommand(s streams) *cobra.Command {
	c := &cobra.Command{
		Use:   "ledger",
		Short: "look after the evidence: sizes, checks, backups, moving and dropping",
		Args:  cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return usageError{fmt.Errorf("ledger: want stats, verify, backup, restore, copy or drop; see uptally ledger --help")}
		},
	}
	c.AddCommand(
		ledgerStatsCommand(s),
		ledgerVerifyCommand(s),
		ledgerBackupCommand(s),
		ledgerRestoreCommand(s),
		ledgerCopyCommand(s),
		ledgerDropCommand(s),
	)
	return c
}

// ledgerPlace is the ledger that a command is about, and how its answer is written.
type ledgerPlace struct {
	config, data   string
	format, output string
}

func (p *ledgerPlace) flags(c *cobra.Command) {
	c.Flags().StringVarP(&p.config, "config", "c", "uptally.yaml", "the installation whose ledger it is")
	c.Flags().StringVar(&p.data, "data", "", "the folder of the ledger, instead of the installation's")
	p.outputFlags(c)
}

func (p *ledgerPlace) outputFlags(c *cobra.Command) {
	c.Flags().StringVar(&p.format, "format", "text", "text or json")
}

func (p *ledgerPlace) check() error { return oneOf("format", p.format, "text", "json") }

// installation is that whose ledger it is: of a folder alone, one that has nothing but the folder. Its problems are printed.
func (p *ledgerPlace) installation(s streams) (*configs.Config, error) {
	if p.data != "" {
		return &configs.Config{Data: p.data}, nil
	}
	cfg, err := configs.Load(p.config)
	if err != nil {
		return nil, printProblems(s, err)
	}
	return cfg, nil
}

// open opens the ledger beside whoever writes it.
func (p *ledgerPlace) open(ctx context.Context, s streams) (evidence, *configs.Config, error) {
	if err := p.check(); err != nil {
		return nil, nil, err
	}
	cfg, err := p.installation(s)
	if err != nil {
		return nil, nil, err
	}
	store, err := readMonths(ctx, cfg)
	return store, cfg, err
}

// print writes an answer in the format that was asked for.
func (p *ledgerPlace) print(out io.Writer, answer any, text func(w io.Writer)) error {
	var b bytes.Buffer
	if p.format == "json" {
		data, err := json.MarshalIndent(answer, "", "  ")
		if err != nil {
			return err
		}
		b.Write(append(data, '\n'))
	} else {
		text(&b)
	}
	_, err := out.Write(b.Bytes())
	return err
}

// instantOf is an instant as people read it, to the second.
func instantOf(at int64) string { return time.UnixMilli(at).UTC().Format(time.RFC3339) }

// grouped writes a number with a comma before every third digit.
func grouped[T int | int64](n T) string {
	digits := strconv.FormatInt(int64(n), 10)
	var out strings.Builder
	for i, d := range digits {
		if i > 0 && (len(digits)-i)%3 == 0 && digits[i-1] != '-' {
			out.WriteByte(',')
		}
		out.WriteRune(d)
	}
	return out.String()
}

// counting is agreement of a noun with its number.
func counting(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return grouped(n) + " " + many
}

// progressOf tells of work under way on a terminal, and on nothing else.
func progressOf(w io.Writer, what string) (tell func(done, all int), end func()) {
	f, ok := w.(*os.File)
	if !ok || terminalWidth(f) == 0 {
		return func(int, int) {}, func() {}
	}
	last := -1
	tell = func(done, all int) {
		if percent := done * 100 / max(all, 1); percent != last {
			last = percent
			fmt.Fprintf(f, "\r%s: %d of %d (%d %%)", what, done, all, percent)
		}
	}
	return tell, func() {
		if last >= 0 {
			fmt.Fprint(f, "\r\x1b[K")
		}
	}
}

// namesByID are the texts that a ledger has for IDs of a kind.
func namesByID(ctx context.Context, store ledger.Store, kind string) (map[uptally.ID]string, error) {
	texts, err := store.Names(ctx, kind)
	names := make(map[uptally.ID]string, len(texts))
	for _, text := range texts {
		names[uptally.IDOf(text)] = text
	}
	return names, err
}
