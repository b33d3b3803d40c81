package postgrestest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// Cluster is a PostgreSQL of its own: checksums on, fsync on, reached by a socket in its folder and by nothing else.
type Cluster struct {
	// Log is the file that the server writes its messages to.
	Log string

	dir     string
	account account
	cmd     *exec.Cmd
	fresh   atomic.Int64
}

// Start makes an empty cluster and starts its server. Stop it.
func Start() (*Cluster, error) {
	a, err := serverAccount()
	if err != nil {
		return nil, fmt.Errorf("start PostgreSQL: %w", err)
	}
	dir, err := a.folder()
	if err != nil {
		return nil, fmt.Errorf("start PostgreSQL: %w", err)
	}
	c := &Cluster{Log: filepath.Join(dir, "log"), dir: dir, account: a}
	err = a.run(dir, "initdb", "-k", "-A", "trust", "-U", "uptally", "-E", "UTF8", "--locale=C", "-N", "-D", c.data())
	if err == nil {
		err = a.own(filepath.Join(c.data(), "pg_hba.conf"), "local all guarded scram-sha-256\nlocal all all trust\n")
	}
	if err == nil {
		err = c.start()
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("start PostgreSQL: %w", err), c.Stop())
	}
	return c, nil
}

func (c *Cluster) data() string { return filepath.Join(c.dir, "data") }

// DSN is where the server is reached; settings such as "search_path=x" are added to it.
func (c *Cluster) DSN(settings ...string) string {
	return strings.Join(append([]string{"host=" + c.dir, "user=uptally", "dbname=postgres"}, settings...), " ")
}

func (c *Cluster) start() error {
	cmd, err := c.account.command(c.dir, "postgres", "-D", c.data(), "-k", c.dir, "-c", "listen_addresses=",
		"-c", "max_connections=1000", "-c", "shared_buffers=64MB", "-c", "fsync=on", "-c", "log_min_messages=warning")
	if err != nil {
		return err
	}
	log, err := os.OpenFile(c.Log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		return err
	}
	c.cmd = cmd
	err = until(time.Minute, "PostgreSQL", func() error {
		if ended(cmd.Process.Pid) {
			return nil
		}
		return c.try("SELECT 1")
	})
	if err != nil || ended(cmd.Process.Pid) {
		said, _ := os.ReadFile(c.Log)
		return errors.Join(err, fmt.Errorf("PostgreSQL said: %s", said[max(0, len(said)-2_000):]))
	}
	return nil
}

// try runs SQL that returns nothing of interest.
func (c *Cluster) try(sql string) error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	conn, err := pgx.Connect(ctx, c.DSN())
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	_, err = conn.Exec(ctx, sql)
	return err
}

// Exec runs SQL, statements separated by semicolons in one transaction, as the owner of everything.
func (c *Cluster) Exec(t testing.TB, sql string) {
	t.Helper()
	if err := c.try(sql); err != nil {
		t.Fatalf("run %q: %v", sql, err)
	}
}

// Set changes a setting of the server, for connections that stand too.
func (c *Cluster) Set(t testing.TB, name, value string) {
	t.Helper()
	c.Exec(t, fmt.Sprintf("ALTER SYSTEM SET %s = '%s'", name, value))
	c.Exec(t, "SELECT pg_reload_conf()")
	err := until(10*time.Second, name, func() error {
		return c.try(fmt.Sprintf("DO $$ BEGIN IF current_setting('%s') <> '%s' THEN RAISE 'not yet'; END IF; END $$", name, value))
	})
	if err != nil {
		t.Fatal(err)
	}
}

// Await waits until a query yields a row.
func (c *Cluster) Await(t testing.TB, query string) {
	t.Helper()
	err := until(20*time.Second, query, func() error {
		return c.try(fmt.Sprintf("DO $$ BEGIN IF NOT EXISTS (%s) THEN RAISE 'not yet'; END IF; END $$", query))
	})
	if err != nil {
		t.Fatal(err)
	}
}

// Fresh is the DSN of an empty schema, which is dropped when the test ends.
func (c *Cluster) Fresh(t testing.TB) string {
	t.Helper()
	schema := fmt.Sprintf("fresh%d_%d", os.Getpid(), c.fresh.Add(1))
	c.Exec(t, "CREATE SCHEMA "+schema)
	t.Cleanup(func() { c.Exec(t, "DROP SCHEMA "+schema+" CASCADE") })
	return c.DSN("search_path=" + schema)
}

// Guarded is the DSN of a user without any rights but in a schema of its own, who needs that password. It is for one test of
// a cluster.
func (c *Cluster) Guarded(t testing.TB, password string) string {
	t.Helper()
	c.Exec(t, "CREATE ROLE guarded LOGIN PASSWORD '"+password+"'; CREATE SCHEMA guarded AUTHORIZATION guarded")
	return "host=" + c.dir + " user=guarded dbname=postgres search_path=guarded"
}

// Crash kills the server as kill -9 does, every process of it, and starts it again: it recovers from its log.
func (c *Cluster) Crash(t testing.TB) {
	t.Helper()
	killTree(c.cmd.Process.Pid)
	_ = c.cmd.Wait()
	if err := c.start(); err != nil {
		t.Fatal(err)
	}
}

// Stop ends the server and removes its folder.
func (c *Cluster) Stop() error {
	if c.cmd != nil {
		_ = c.cmd.Process.Signal(syscall.SIGQUIT) // at once, without a checkpoint: nobody comes back
		_ = c.cmd.Wait()
	}
	return os.RemoveAll(c.dir)
}

// CPU is the time that the server's processes have taken, those that have ended included.
func (c *Cluster) CPU() time.Duration {
	ticks := int64(0)
	for _, pid := range append(childrenOf(c.cmd.Process.Pid), c.cmd.Process.Pid) {
		text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		_, rest, _ := strings.Cut(string(text), ") ")
		for i, field := range strings.Fields(rest) {
			if n, err := strconv.ParseInt(field, 10, 64); err == nil && i >= 11 && i <= 14 { // its own and its children's, user and system
				ticks += n
			}
		}
	}
	return time.Duration(ticks) * 10 * time.Millisecond
}
