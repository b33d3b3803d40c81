package main

import (
	"strings"
	"testing"
	"time"

	"github.com/uptally/uptally"
	"github.com/uptally/uptally/agreements"
	"github.com/uptally/uptally/ledger"
)

// The socket dates entries itself and takes none that a statement could not read: the ledger keeps them for ever.
func TestControlSocketJudgesEntries(t *testing.T) {
	data := t.TempDir()
	store, err := ledger.Open(data, ledger.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	srv, err := listenControl(data, store)
	if err != nil {
		t.Fatal(err)
	}
	defer srv.Close()
	send := func(kind string, text agreements.EntryText) (int64, error) {
		return sendEntry(t.Context(), controlSocket(data), uptally.Entry{RecordedAt: 1, By: "ann", Kind: kind, Data: agreements.EncodeEntry(text)})
	}
	if _, err := send("holiday", agreements.EntryText{From: 1, To: 2}); err == nil || !strings.Contains(err.Error(), `got kind "holiday"`) {
		t.Errorf("a kind that does not exist: got %v, want it refused by name", err)
	}
	if _, err := send(agreements.KindMaintenance, agreements.EntryText{From: 2, To: 2}); err == nil {
		t.Error("an end that is not after the start: got it taken, want it refused")
	}
	before := time.Now().UnixMilli()
	if id, err := send(agreements.KindMaintenance, agreements.EntryText{From: 1, To: 2}); err != nil || id != 1 {
		t.Fatalf("a sound entry: got %d, %v, want number 1", id, err)
	}
	kept, err := store.Entries(t.Context(), time.Now().UnixMilli())
	if err != nil || len(kept) != 1 || kept[0].RecordedAt < before {
		t.Errorf("got %+v, %v, want one entry, recorded when it was taken", kept, err)
	}
}
