package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os/user"
	"slices"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/uptally/uptally"
	"github.com/uptally/uptally/agreements"
	"github.com/uptally/uptally/configs"
	"github.com/uptally/uptally/ledger"
	"github.com/uptally/uptally/ledger/history"
)

// importing is what every import of results is told.
type importing struct {
	config, by string
	terms      history.Terms
	gap        uptally.Duration
}

func (i *importing) flags(c *cobra.Command) {
	f := c.Flags()
	f.StringVarP(&i.config, "config", "c", "uptally.yaml", "the installation")
	f.StringVar(&i.by, "by", "", "who imports (default: the login name)")
	f.StringSliceVar(&i.terms.Sites, "sites", nil, "the sites of each check in order, where further ones are imported later (default: those that have results)")
	f.IntVar(&i.terms.Quorum, "quorum", 0, "how many sites must agree that a check is down (default: more than half)")
	f.IntVar(&i.terms.Confirm, "confirm", 0, "failures in a row that make a site call it down (default: 1)")
	f.IntVar(&i.terms.Recover, "recover", 0, "successes in a row that make a site call it up again (default: 1)")
	f.TextVar(&i.gap, "gap", uptally.Duration(0), "silence longer than this is unknown (default: two and a half times the spacing)")
}

// load reads the installation and fills in what was left to defaults.
func (i *importing) load() (*configs.Config, error) {
	cfg, err := configs.Load(i.config)
	if err != nil {
		return nil, err
	}
	i.terms.Gap = int64(i.gap)
	if i.by == "" {
		u, err := user.Current()
		if err != nil {
			return nil, fmt.Errorf("name who imports: %w; give --by", err)
		}
		i.by = u.Username
	}
	return cfg, nil
}

// source is what the entry says of where results are from.
type source struct{ kind, name, query, sha256 string }

// store puts an import into the ledger: first its plans, then the entry that says whose results these are, then the
// results, so that none ever stands there without them. What the ledger has already is not stored again.
func (i *importing) store(ctx context.Context, s streams, cfg *configs.Config, im *history.Import, from source) error {
	if now := time.Now().UnixMilli(); im.To > now {
		return fmt.Errorf("import %q: got a result of %s, which is still to come", from.name, instantText(im.To-1))
	}
	book, err := openBook(ctx, cfg)
	if err != nil {
		return err
	}
	defer book.Close()
	plans, err := lackingPlans(ctx, book, im)
	if err != nil {
		return err
	}
	e := uptally.Entry{By: i.by, Kind: agreements.KindImport, Data: agreements.EncodeImport(importText(im, from))}
	if _, err := agreements.DecodeEntry(e); err != nil {
		return fmt.Errorf("import %q: %w", from.name, err)
	}
	known, err := recordedImport(ctx, book, e.Data)
	if err != nil {
		return err
	}
	batches, err := im.Missing(ctx, book)
	if err != nil {
		return err
	}
	if known != 0 && len(plans)+len(batches) == 0 {
		_, err := fmt.Fprintf(s.out, "nothing new: entry %d is this import, and the ledger has all of its results\n", known)
		return err
	}
	if err := book.addPlans(ctx, plans); err != nil {
		return err
	}
	if known == 0 {
		if known, err = book.record(ctx, e); err != nil {
			return err
		}
	}
	if err := book.appendBatches(ctx, batches); err != nil {
		return err
	}
	return i.report(s, im, known, len(batches))
}

func (i *importing) report(s streams, im *history.Import, entry int64, stored int) error {
	results := int64(0)
	for _, c := range im.Of {
		results += c.Results
	}
	_, err := fmt.Fprintf(s.out, "entry %d: %d results of %d series from %s to %s, %d of %d batches new, as agent %016x\n",
		entry, results, len(im.Of), instantText(im.From), instantText(im.To-1), stored, len(im.Batches), im.Agent)
	return err
}

func importText(im *history.Import, from source) agreements.Import {
	t := agreements.Import{
		Agent: fmt.Sprintf("%016x", im.Agent), Kind: from.kind, Source: from.name, Query: from.query,
		From: im.From, To: im.To, SHA256: from.sha256,
	}
	for _, c := range im.Of {
		t.Series = append(t.Series, agreements.ImportSeries(c))
	}
	return t
}

// lackingPlans are those that the ledger does not have yet, of all checks of the import.
func lackingPlans(ctx context.Context, in *book, im *history.Import) ([]uptally.Plan, error) {
	var all []uptally.Plan
	for k, c := range im.Of {
		if k > 0 && im.Of[k-1].Check == c.Check {
			continue
		}
		stored, err := in.Plans(ctx, c.Check)
		if err != nil {
			return nil, err
		}
		lacking, err := im.Plans(c.Check, stored)
		if err != nil {
			return nil, err
		}
		all = append(all, lacking...)
	}
	return all, nil
}

// recordedImport is the number of the entry that says the same, or 0.
func recordedImport(ctx context.Context, in *book, data []byte) (int64, error) {
	entries, err := in.Entries(ctx, math.MaxInt64)
	if err != nil {
		return 0, err
	}
	k := slices.IndexFunc(entries, func(e uptally.Entry) bool {
		return e.Kind == agreements.KindImport && string(e.Data) == string(data)
	})
	if k < 0 {
		return 0, nil
	}
	return entries[k].ID, nil
}

// book is a ledger that is read, and written by itself or through the process that holds it.
type book struct {
	ledger.Store
	// socket is that of the process that holds the ledger; empty where nobody does.
	socket string
}

// openBook opens the ledger of an installation for import, making it where there is none.
func openBook(ctx context.Context, cfg *configs.Config) (*book, error) {
	if !inDatabase(cfg) {
		err := postControl(ctx, controlSocket(cfg.Data), "alive", nil, nil)
		switch {
		case err == nil:
			store, err := readLedger(ctx, cfg)
			if err != nil {
				return nil, err
			}
			return &book{store, controlSocket(cfg.Data)}, nil
		case !nobodyListens(err):
			return nil, err
		}
	}
	store, err := openLedger(ctx, cfg)
	if err != nil {
		return nil, err
	}
	return &book{store, ""}, nil
}

// nobodyListens reports whether a socket is not there, or is one that a dead process left.
func nobodyListens(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ECONNREFUSED)
}

func (b *book) addPlans(ctx context.Context, plans []uptally.Plan) error {
	switch {
	case len(plans) == 0:
		return nil
	case b.socket != "":
		return postControl(ctx, b.socket, "plans", plans, nil)
	}
	return b.AddPlans(ctx, plans...)
}

func (b *book) record(ctx context.Context, e uptally.Entry) (int64, error) {
	if b.socket != "" {
		return sendEntry(ctx, b.socket, e)
	}
	e.RecordedAt = time.Now().UnixMilli()
	return b.Record(ctx, e)
}

// appendBatches stores batches, some at a time.
func (b *book) appendBatches(ctx context.Context, batches [][]byte) error {
	for len(batches) > 0 {
		n, size := 0, 0
		for n < len(batches) && size+len(batches[n]) <= maxBatches/2 {
			size += len(batches[n])
			n++
		}
		var err error
		if b.socket != "" {
			err = postControl(ctx, b.socket, "batches", batches[:n], nil)
		} else {
			err = appendImported(ctx, b.Store, batches[:n])
		}
		if err != nil {
			return err
		}
		batches = batches[n:]
	}
	return nil
}

// appendImported stores batches of an import. What the ledger has no imported plan of is refused: it would never be judged.
func appendImported(ctx context.Context, store ledger.Store, batches [][]byte) error {
	planned, err := importedSeries(ctx, store)
	if err != nil {
		return err
	}
	in := make([]ledger.Incoming, len(batches))
	for i, data := range batches {
		b, err := uptally.DecodeBatch(data)
		if err != nil {
			return err
		}
		for _, r := range b.Results {
			if !planned[ledger.Series{Check: r.Check, Site: r.Site}] {
				return fmt.Errorf("append imported batch: check %v at site %v has no imported plan", r.Check, r.Site)
			}
		}
		in[i] = ledger.Incoming{Batch: b, Data: data}
	}
	_, err = store.Append(ctx, in)
	return err
}

// importedSeries is every check and site that an imported plan names.
func importedSeries(ctx context.Context, store ledger.Store) (map[ledger.Series]bool, error) {
	checks, err := store.Names(ctx, "check")
	if err != nil {
		return nil, err
	}
	named := map[ledger.Series]bool{}
	for _, check := range checks {
		plans, err := store.Plans(ctx, check)
		if err != nil {
			return nil, err
		}
		for _, p := range plans {
			for _, site := range p.Sites {
				if p.Imported {
					named[ledger.Series{Check: uptally.IDOf(check), Site: uptally.IDOf(site)}] = true
				}
			}
		}
	}
	return named, nil
}

// instantText writes an instant as files do.
func instantText(at int64) string { return time.UnixMilli(at).UTC().Format(time.RFC3339Nano) }

// pastRange reads --from and --to, half open.
func pastRange(from, to string) (first, end int64, err error) {
	if first, err = parseInstant("--from", from); err != nil {
		return 0, 0, err
	}
	if end, err = parseInstant("--to", to); err != nil {
		return 0, 0, err
	}
	if now := time.Now().UnixMilli(); first >= end || first < 0 || end > now {
		return 0, 0, usageError{fmt.Errorf("import: got --from %s --to %s, want two instants that are past, the end after the start", from, to)}
	}
	return first, end, nil
}
