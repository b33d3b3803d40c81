package plans

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/uptally/uptally"
	"github.com/uptally/uptally/ledger/delivery"
	"github.com/uptally/uptally/probes"
	"github.com/uptally/uptally/probes/schedule"
)

// fileName is the book's file in the agent's data folder. It holds secrets.
const fileName = "plans.json"

// Book is what a site measures now and what is stated to come. It is a plain value for one goroutine.
type Book struct {
	// Pages are what was handed out, oldest first; of the ones before the last something is still in force.
	Pages []Page `json:"pages"`
}

// Page is one set of plans as it was handed out.
type Page struct {
	// Version is that of the set, At when it was taken, in milliseconds UTC.
	Version string         `json:"version"`
	At      int64          `json:"at"`
	Plans   delivery.Plans `json:"plans"`
}

// Task is a check under one plan. Settings are nil where the plan says that the site does not measure it any more.
type Task struct {
	Plan     uptally.Plan
	Settings *probes.Settings
	// Given is what Settings refer to.
	Given probes.Given
}

// Read takes a set apart that a server handed out. Settings or kinds of probe that this program does not know are an error: measuring
// something else than what was meant is worse than measuring on as before.
func Read(data []byte, site string) (Page, error) {
	p := Page{Version: delivery.PlansVersion(data)}
	err := decode(data, &p.Plans)
	if err == nil && p.Plans.Site != site {
		err = fmt.Errorf("got site %q, want %q", p.Plans.Site, site)
	}
	if err == nil {
		err = p.sound()
	}
	if err != nil {
		return Page{}, fmt.Errorf("read plans: %w", err)
	}
	return p, nil
}

// decode demands that every key is known.
func decode(data []byte, into any) error {
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return errors.New("got more behind the plans, want their end")
	}
	return nil
}

// sound reports what of a page cannot be measured.
func (p *Page) sound() error {
	for i := range p.Plans.Checks {
		if _, err := p.task(i); err != nil {
			return err
		}
	}
	return nil
}

func (p *Page) task(i int) (Task, error) {
	c := &p.Plans.Checks[i]
	if _, err := schedule.NewSlots(c.Plan, p.Plans.Site); err != nil {
		return Task{}, err
	}
	t := Task{Plan: c.Plan, Settings: &probes.Settings{}, Given: p.Plans.Given}
	if err := decode(c.Settings, t.Settings); err != nil {
		return Task{}, fmt.Errorf("settings of check %q: %w", c.Plan.Check, err)
	}
	if got := t.Settings.Kind(); got != c.Plan.Kind {
		return Task{}, fmt.Errorf("settings of check %q: got kind %q, want %q", c.Plan.Check, got, c.Plan.Kind)
	}
	return t, nil
}

// Version is that of the newest set, "" before any.
func (b *Book) Version() string {
	if n := len(b.Pages); n > 0 {
		return b.Pages[n-1].Version
	}
	return ""
}

// References are those of the newest set; see delivery.Plans.
func (b *Book) References() []string {
	if n := len(b.Pages); n > 0 {
		return b.Pages[n-1].Plans.References
	}
	return nil
}

// With returns the book with one more page, taken at the instant now, and without those of which nothing is in force any more.
func (b *Book) With(p Page, now int64) *Book {
	p.At = now
	all := &Book{Pages: append(slices.Clone(b.Pages), p)}
	used := map[*Page]bool{}
	for _, l := range all.legs(now) {
		used[l.page] = true
	}
	next := &Book{}
	for i := range all.Pages {
		if i == len(all.Pages)-1 || used[&all.Pages[i]] {
			next.Pages = append(next.Pages, all.Pages[i])
		}
	}
	return next
}

// leg is a stretch of a check's life: a plan of a page, or, with no place in it, nothing.
type leg struct {
	page *Page
	at   int // the place in page.Plans.Checks, -1 for a stretch without slots
	plan uptally.Plan
	// settled says that only a plan that begins later can follow: the server has stated it.
	settled bool
}

// linger is how long, in milliseconds, a plan stays that is not in force any more: a slot of it may wait for its probe so long, and longer.
const linger = 60_000

// patience is how long, in milliseconds, a check goes on that is in no list any more: of several servers one may not have read
// its files anew yet.
const patience = 60_000

// soon is within how many milliseconds servers of one ledger are thought to have read their files anew.
const soon = 3_600_000

// legs returns those that are in force at the instant now or later, and those that lately were, by check in the order of their first pages.
// Plans of a check are dated once for all servers, and a later one is not taken back: where a page names an earlier one soon after, its
// server has not read its files anew yet. Long after, the ledger was set back.
func (b *Book) legs(now int64) []leg {
	byCheck := map[string][]leg{}
	var order []string
	begin := func(l leg) {
		old, known := byCheck[l.plan.Check]
		if !known {
			order = append(order, l.plan.Check)
		}
		if n := len(old); n > 0 && old[n-1].settled && old[n-1].plan.From > l.plan.From && l.page.At-old[n-1].page.At < soon {
			return
		}
		i := slices.IndexFunc(old, func(o leg) bool { return o.plan.From >= l.plan.From })
		if i < 0 {
			i = len(old)
		}
		byCheck[l.plan.Check] = append(old[:i:i], l)
	}
	for i := range b.Pages {
		p := &b.Pages[i]
		named := map[string]bool{}
		for j := range p.Plans.Checks {
			named[p.Plans.Checks[j].Plan.Check] = true
			begin(leg{p, j, p.Plans.Checks[j].Plan, true})
		}
		moved := map[string]int64{}
		for _, m := range p.Plans.Moved {
			moved[m.Check] = m.At
		}
		for _, check := range order {
			old := byCheck[check]
			last := old[len(old)-1]
			if named[check] || last.at < 0 {
				continue
			}
			end, stated := moved[check]
			if !stated {
				end = p.At + patience
			}
			begin(leg{p, -1, nowhere(last.plan, p.Plans.Site, end), stated})
		}
	}
	var all []leg
	for _, check := range order {
		ls := byCheck[check]
		for i, l := range ls {
			last := i == len(ls)-1
			if last && l.at < 0 && l.plan.From <= now-linger {
				continue // it is over, as is what came before
			}
			if last || ls[i+1].plan.From > now-linger {
				all = append(all, l)
			}
		}
	}
	return all
}

// nowhere is a plan without slots at a site from an instant on.
func nowhere(p uptally.Plan, site string, from int64) uptally.Plan {
	p.From, p.Sites, p.Quorum = from, []string{"not " + site}, 1
	return p
}

// Tasks returns what is in force at the instant now, in milliseconds UTC, or later, and what was in the minute before.
func (b *Book) Tasks(now int64) ([]Task, error) {
	var all []Task
	for _, l := range b.legs(now) {
		if l.at < 0 {
			all = append(all, Task{Plan: l.plan})
			continue
		}
		t, err := l.page.task(l.at)
		if err != nil {
			return nil, fmt.Errorf("read plans: %w", err)
		}
		all = append(all, t)
	}
	return all, nil
}

// Open reads the book of a data folder; one that is not there is empty. One that this program cannot measure by, such as a newer one's, is an error.
func Open(dir string) (*Book, error) {
	path := filepath.Join(dir, fileName)
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return &Book{}, nil
	}
	b := &Book{}
	if err == nil {
		err = decode(data, b)
	}
	for i := range b.Pages {
		if err == nil {
			err = b.Pages[i].sound()
		}
	}
	if err != nil {
		return nil, fmt.Errorf("open plans %q: %w", path, err)
	}
	return b, nil
}

// Save exchanges the file of a data folder, whole or not at all. Nobody but its owner may read it.
func (b *Book) Save(dir string) error {
	if err := b.save(dir); err != nil {
		return fmt.Errorf("keep plans: %w", err)
	}
	return nil
}

func (b *Book) save(dir string) error {
	data, err := json.Marshal(b)
	if err != nil {
		return err
	}
	f, err := os.CreateTemp(dir, "."+fileName+"-") // 0600 and O_EXCL
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // where it was not renamed
	_, err = f.Write(data)
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Rename(f.Name(), filepath.Join(dir, fileName)); err != nil {
		return err
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
