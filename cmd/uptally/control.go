package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/uptally/uptally"
	"github.com/uptally/uptally/agreements"
	"github.com/uptally/uptally/ledger"
)

// The process that holds the ledger takes entries through a socket in its data folder, so that `uptally record` works
// beside it; whoever may write to the folder may record.

// maxEntry is the largest entry taken, in bytes: an import's names its series.
const maxEntry = 1 << 20

func controlSocket(data string) string { return filepath.Join(data, "control.sock") }

// listenControl serves entries into the store until the returned server is shut down. A socket that a dead process left
// is replaced: the folder's lock says that it is dead.
func listenControl(data string, store ledger.Store) (*http.Server, error) {
	path := controlSocket(data)
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("listen for entries: %w", err)
	}
	l, err := net.Listen("unix", path)
	if err == nil {
		err = os.Chmod(path, 0o600)
	}
	if err != nil {
		return nil, fmt.Errorf("listen for entries on %q: %w", path, err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /entries", func(w http.ResponseWriter, r *http.Request) {
		var e uptally.Entry
		if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxEntry)).Decode(&e); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		// Entries are never taken back: one that cannot be read would spoil every later statement, and one that dates itself
		// would meet any notice.
		e.RecordedAt = time.Now().UnixMilli()
		if _, err := agreements.DecodeEntry(e); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		id, err := store.Record(r.Context(), e)
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		json.NewEncoder(w).Encode(id)
	})
	serveDrops(mux, store)
	serveImports(mux, store)
	serveAdmissions(mux, store)
	srv := &http.Server{Handler: mux, ReadTimeout: 10 * time.Second, WriteTimeout: 30 * time.Second, MaxHeaderBytes: 16 << 10}
	go srv.Serve(l) // returns at Shutdown, which its caller waits for
	return srv, nil
}

// recordEntry appends an entry through the running process where there is one, else to the ledger itself.
func recordEntry(ctx context.Context, data string, e uptally.Entry) (int64, error) {
	id, err := sendEntry(ctx, controlSocket(data), e)
	if !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, syscall.ECONNREFUSED) {
		return id, err
	}
	store, err := ledger.Open(data, ledger.Options{})
	if err != nil {
		return 0, err
	}
	id, err = store.Record(ctx, e)
	return id, errors.Join(err, store.Close())
}

func sendEntry(ctx context.Context, socket string, e uptally.Entry) (id int64, err error) {
	if err := postControl(ctx, socket, "entries", e, &id); err != nil {
		return 0, fmt.Errorf("record entry through %q: %w", socket, err)
	}
	return id, nil
}

// postControl asks the running process for something and reads its answer, where it has one.
func postControl(ctx context.Context, socket, path string, ask, answer any) error {
	body, err := json.Marshal(ask)
	if err != nil {
		return err
	}
	client := http.Client{Timeout: 10 * time.Minute, Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "unix", socket)
		},
	}}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://control/"+path, bytes.NewReader(body))
	if err != nil {
		return err
	}
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxEntry))
	switch {
	case err != nil:
		return err
	case resp.StatusCode != http.StatusOK:
		return fmt.Errorf("got %s: %s", resp.Status, bytes.TrimSpace(text))
	case answer == nil:
		return nil
	}
	return json.Unmarshal(text, answer)
}
