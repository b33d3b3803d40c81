package main

import (
	"bytes"
	"context"
	"log/slog"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/uptally/uptally"
	"github.com/uptally/uptally/configs"
)

// A running house seals what is over, and says in its log and metrics when late results changed it.
func TestHouseSeals(t *testing.T) {
	config, listen := installation(t)
	cfg, err := configs.Load(config)
	if err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	h := newHouse(cfg, slog.New(slog.NewTextHandler(&log, nil)))
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	ready, ended := make(chan struct{}), make(chan error, 1)
	steps := append(h.steps(), step{"test", func(context.Context) error {
		close(ready)
		return nil
	}, nil})
	go func() { ended <- live(ctx, h.log, steps, h.failed) }()
	select {
	case <-ready:
	case err := <-ended:
		t.Fatal(err)
	}
	yesterday := uptally.DayOf(time.Now().UnixMilli()) - 1
	noon := int64(yesterday)*uptally.DayMillis + uptally.DayMillis/2
	seal := func(seq uint64, metric string, rs ...uptally.Result) {
		t.Helper()
		b := uptally.Batch{Agent: 1, Epoch: 1, Seq: seq, Site: uptally.IDOf("here"), Day: yesterday}
		for _, r := range rs {
			r.At, r.Site = noon+r.At, b.Site
			b.Results = append(b.Results, r)
		}
		data, err := b.AppendBinary(nil)
		if err != nil {
			t.Fatal(err)
		}
		if err := h.append(ctx, data); err != nil {
			t.Fatal(err)
		}
		h.sealing.Ask()
		until(t, "http://"+listen+"/metrics", "\n"+metric+"\n")
	}
	result := func(check string, at int64, why uptally.Reason) uptally.Result {
		return uptally.Result{Slot: uptally.Slot{Check: uptally.IDOf(check), At: at}, Reason: why}
	}
	up, down := result("own-page", 0, uptally.OK), result("own-page", 1_000, uptally.ConnectRefused)
	seal(1, `uptally_ledger_seals_total{kind="final"} 1`, up)
	seal(2, `uptally_ledger_seals_total{kind="again"} 1`, up)
	seal(3, `uptally_ledger_late_changes_total 2`, result("nobody", 0, uptally.ConnectRefused), up, down, result("own-page", 2_000, uptally.OK))
	seal(4, `uptally_ledger_late_changes_total 3`, result("own-page", 1_000, uptally.OK)) // says otherwise: a conflict
	stop()
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	var got []string
	for line := range strings.Lines(log.String()) {
		if strings.Contains(line, " day=") {
			line = regexp.MustCompile(`^time=\S+ | took=\S+|\n`).ReplaceAllString(line, "")
			got = append(got, strings.ReplaceAll(line, dateOf(yesterday), "YESTERDAY"))
		}
	}
	want := []string{
		`level=INFO msg="day sealed" day=YESTERDAY site=here results=1`,
		`level=INFO msg="late results changed nothing" day=YESTERDAY site=here results=1`,
		`level=WARN msg="late results changed a sealed day" day=YESTERDAY site=here results=4 new=3 downs=2 ` +
			`checks="nobody (+1 results, +1 downs), own-page (+2 results, +1 downs)"`,
		`level=WARN msg="late results changed a sealed day" day=YESTERDAY site=here results=1 new=0 downs=-1 checks="own-page (+0 results, -1 downs)"`,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("log (-want +got):\n%s", diff)
	}
}
