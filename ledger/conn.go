package ledger

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"fmt"
	"net/url"
	"path/filepath"
	"strconv"
	"strings"

	"modernc.org/sqlite"
)

// oldestEngine is the first SQLite without the WAL-reset corruption.
const oldestEngine = "3.51.3"

// checkedConnector opens connections and reads back what they must be: a setting that did not take would lose commits at
// the next power cut, unseen until then.
type checkedConnector struct {
	driver.Connector
	pageSize string
}

// Connect opens one connection and checks it.
func (c checkedConnector) Connect(ctx context.Context) (driver.Conn, error) {
	conn, err := c.Connector.Connect(ctx)
	if err != nil {
		return nil, err
	}
	if err := checkConn(ctx, conn, c.pageSize); err != nil {
		conn.Close()
		return nil, err
	}
	return conn, nil
}

func checkConn(ctx context.Context, conn driver.Conn, pageSize string) error {
	for _, s := range [][2]string{{"journal_mode", "wal"}, {"synchronous", "2"}, {"page_size", pageSize}} {
		got, err := queryText(ctx, conn, "PRAGMA "+s[0])
		if err != nil {
			return err
		}
		if got != s[1] && s[0] == "page_size" { // a file's own, from its header
			return damaged("got page_size %q, want %q", got, s[1])
		}
		if got != s[1] {
			return fmt.Errorf("got %s %q, want %q", s[0], got, s[1])
		}
	}
	got, err := queryText(ctx, conn, "SELECT sqlite_version()")
	if err != nil {
		return err
	}
	if olderEngine(got, oldestEngine) {
		return fmt.Errorf("got SQLite %s, want %s or newer", got, oldestEngine)
	}
	return nil
}

// queryText returns the one value that a query yields, as text.
func queryText(ctx context.Context, conn driver.Conn, query string) (string, error) {
	rows, err := conn.(driver.QueryerContext).QueryContext(ctx, query, nil)
	if err != nil {
		return "", err
	}
	defer rows.Close()
	v := make([]driver.Value, 1)
	if err := rows.Next(v); err != nil {
		return "", fmt.Errorf("query %q: %w", query, err)
	}
	return fmt.Sprint(v[0]), nil
}

// olderEngine compares versions of dotted numbers; what is no number counts as 0.
func olderEngine(got, want string) bool {
	g, w := strings.Split(got, "."), strings.Split(want, ".")
	for i, text := range w {
		a, b := 0, 0
		if i < len(g) {
			a, _ = strconv.Atoi(g[i])
		}
		if b, _ = strconv.Atoi(text); a != b {
			return a < b
		}
	}
	return false
}

// openDB returns a pool of at most n checked connections to the ledger in a folder.
func openDB(dir string, write bool, n int) (*sql.DB, error) {
	const pageSize = "16384"
	q := url.Values{}
	if write {
		// The page size is that of the first write, so it goes before the journal mode; of the driver's parameters, all
		// _pragma do. Checkpoints at 64 pages, 1 MiB, keep the WAL short: damage to it silently cuts off what follows.
		q["_pragma"] = []string{"page_size(" + pageSize + ")", "wal_autocheckpoint(64)"}
		q["_journal_mode"] = []string{"WAL"}
	} else {
		q["mode"] = []string{"ro"}
	}
	return openFile(filepath.Join(dir, "ledger.db"), q, pageSize, n)
}

// openFile returns a pool of at most n connections to a file, each of them checked; q says how it is opened besides.
func openFile(path string, q url.Values, pageSize string, n int) (*sql.DB, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	for name, value := range map[string]string{
		"_busy_timeout": "10000", "_dqs": "0", "_defensive": "1", "_error_rc": "1", "_synchronous": "FULL",
	} {
		q.Set(name, value)
	}
	dsn := url.URL{Scheme: "file", Path: path, RawQuery: q.Encode()}
	c, err := sqlite.NewConnector(dsn.String())
	if err != nil {
		return nil, err
	}
	db := sql.OpenDB(checkedConnector{c, pageSize})
	db.SetMaxOpenConns(n)
	db.SetMaxIdleConns(n)
	return db, nil
}
