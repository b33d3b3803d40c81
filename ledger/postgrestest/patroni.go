package postgrestest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// Patroni is a cluster as users run it: etcd, and three PostgreSQL servers of which Patroni makes one the leader and
// keeps at least one other in step with every commit (synchronous_mode_strict).
type Patroni struct {
	dir     string
	account account
	etcd    *exec.Cmd
	nodes   []*node
}

type node struct {
	name, postgres, rest string // addresses
	cmd                  *exec.Cmd
}

// patroniSettings are the shortest waits that Patroni takes. A leader that is gone loses its place after ttl.
const patroniSettings = `scope: uptally
name: %[1]s
restapi: {listen: %[3]s, connect_address: %[3]s}
etcd3: {hosts: %[4]s}
bootstrap:
  dcs:
    ttl: 20
    loop_wait: 2
    retry_timeout: 3
    synchronous_mode: true
    synchronous_mode_strict: true
    postgresql:
      use_pg_rewind: true
      parameters: {synchronous_commit: "on", fsync: "on", max_connections: 60, shared_buffers: 64MB, wal_log_hints: "on"}
  initdb: [data-checksums, {encoding: UTF8}, {locale: C}, {auth: trust}]
postgresql:
  listen: %[2]s
  connect_address: %[2]s
  bin_dir: %[5]s
  data_dir: %[6]s/%[1]s
  pgpass: %[6]s/%[1]s.pgpass
  pg_hba: ["local all all trust", "host all all 127.0.0.1/32 trust", "host replication all 127.0.0.1/32 trust"]
  parameters: {unix_socket_directories: %[6]s}
  authentication:
    superuser: {username: uptally, password: none}
    replication: {username: replicator, password: none}
`

// StartPatroni starts the cluster and waits until it has a leader that a standby keeps up with. Stop it.
func StartPatroni() (*Patroni, error) {
	a, err := serverAccount()
	if err != nil {
		return nil, fmt.Errorf("start Patroni: %w", err)
	}
	dir, err := a.folder()
	if err != nil {
		return nil, fmt.Errorf("start Patroni: %w", err)
	}
	p := &Patroni{dir: dir, account: a}
	if err = p.start(); err != nil {
		return nil, errors.Join(fmt.Errorf("start Patroni: %w", err), errors.New(p.Log()), p.Stop())
	}
	return p, nil
}

func (p *Patroni) start() error {
	bin, err := find("pg_ctl")
	if err != nil {
		return err
	}
	etcd, err := p.startEtcd()
	if err != nil {
		return err
	}
	for i := range 3 {
		n := &node{name: fmt.Sprintf("node%d", i+1)}
		if n.postgres, err = freeAddress(); err != nil {
			return err
		}
		if n.rest, err = freeAddress(); err != nil {
			return err
		}
		text := fmt.Sprintf(patroniSettings, n.name, n.postgres, n.rest, etcd, filepath.Dir(bin), p.dir)
		if err := p.account.own(filepath.Join(p.dir, n.name+".yml"), text); err != nil {
			return err
		}
		p.nodes = append(p.nodes, n)
		if err := p.startNode(n); err != nil {
			return err
		}
	}
	return until(time.Minute, "a leader and two standbys", func() error { return p.inStep(2) })
}

func (p *Patroni) startEtcd() (address string, err error) {
	address, err = freeAddress()
	if err != nil {
		return "", err
	}
	peers, err := freeAddress()
	if err != nil {
		return "", err
	}
	p.etcd, err = p.logged("etcd", "--data-dir", filepath.Join(p.dir, "etcd"), "--name", "one",
		"--listen-client-urls", "http://"+address, "--advertise-client-urls", "http://"+address,
		"--listen-peer-urls", "http://"+peers, "--initial-advertise-peer-urls", "http://"+peers, "--initial-cluster", "one=http://"+peers)
	if err != nil {
		return "", err
	}
	return address, until(20*time.Second, "etcd", func() error {
		c, err := net.Dial("tcp", address)
		if err == nil {
			c.Close()
		}
		return err
	})
}

func (p *Patroni) startNode(n *node) (err error) {
	n.cmd, err = p.logged("patroni", filepath.Join(p.dir, n.name+".yml"))
	return err
}

// logged starts a program whose messages go to a file of the folder.
func (p *Patroni) logged(name string, args ...string) (*exec.Cmd, error) {
	cmd, err := p.account.command(p.dir, name, args...)
	if err != nil {
		return nil, err
	}
	log, err := os.OpenFile(filepath.Join(p.dir, "log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	cmd.Stdout, cmd.Stderr = log, log
	return cmd, cmd.Start()
}

// DSN names all three servers; a connection goes to the one that takes writes.
func (p *Patroni) DSN(settings ...string) string {
	var hosts, ports []string
	for _, n := range p.nodes {
		host, port, _ := net.SplitHostPort(n.postgres)
		hosts, ports = append(hosts, host), append(ports, port)
	}
	return strings.Join(append([]string{
		"host=" + strings.Join(hosts, ","), "port=" + strings.Join(ports, ","), "user=uptally", "dbname=postgres",
		"sslmode=disable", "target_session_attrs=read-write", "connect_timeout=3",
	}, settings...), " ")
}

// member is what Patroni says of one node.
type member struct {
	Name, Role, State string
	Lag               any
}

// members asks any node that answers.
func (p *Patroni) members() ([]member, error) {
	var errs []error
	client := http.Client{Timeout: 2 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	for _, n := range p.nodes {
		resp, err := client.Get("http://" + n.rest + "/cluster")
		if err != nil {
			errs = append(errs, err)
			continue
		}
		var c struct{ Members []member }
		err = json.NewDecoder(resp.Body).Decode(&c)
		resp.Body.Close()
		if err == nil {
			return c.Members, nil
		}
		errs = append(errs, err)
	}
	return nil, errors.Join(errs...)
}

// inStep demands a leader that takes writes, at least so many standbys that run, and one of them synchronous.
func (p *Patroni) inStep(standbys int) error {
	ms, err := p.members()
	if err != nil {
		return err
	}
	leaders, synchronous, running := 0, 0, 0
	for _, m := range ms {
		switch {
		case m.State != "running" && m.State != "streaming":
		case m.Role == "leader":
			leaders++
		case m.Role == "sync_standby":
			synchronous++
			running++
		default:
			running++
		}
	}
	if leaders != 1 || synchronous == 0 || running < standbys {
		return fmt.Errorf("got %+v, want a leader and %d standbys, one of them synchronous", ms, standbys)
	}
	return p.try("CREATE TABLE IF NOT EXISTS probe (n int); INSERT INTO probe VALUES (1)")
}

func (p *Patroni) try(sql string) error {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	conn, err := pgx.Connect(ctx, p.DSN())
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	_, err = conn.Exec(ctx, sql)
	return err
}

// Exec runs SQL on the leader.
func (p *Patroni) Exec(t testing.TB, sql string) {
	t.Helper()
	if err := p.try(sql); err != nil {
		t.Fatalf("run %q: %v", sql, err)
	}
}

// leader is the node that takes writes.
func (p *Patroni) leader() (*node, error) {
	ms, err := p.members()
	if err != nil {
		return nil, err
	}
	for _, m := range ms {
		for _, n := range p.nodes {
			if m.Role == "leader" && m.Name == n.name {
				return n, nil
			}
		}
	}
	return nil, fmt.Errorf("got %+v, want a leader", ms)
}

// KillLeader kills the leader's PostgreSQL and the Patroni that watches it, as a power cut would, and returns its name.
func (p *Patroni) KillLeader(t testing.TB) string {
	t.Helper()
	n, err := p.leader()
	if err != nil {
		t.Fatal(err)
	}
	p.kill(n)
	return n.name
}

func (p *Patroni) kill(n *node) {
	killTree(n.cmd.Process.Pid)
	_ = n.cmd.Wait()
	if pid := p.postmaster(n); pid > 0 {
		killTree(pid)
	}
}

// postmaster is the number of a node's PostgreSQL, which Patroni does not keep as its child.
func (p *Patroni) postmaster(n *node) (pid int) {
	text, err := os.ReadFile(filepath.Join(p.dir, n.name, "postmaster.pid"))
	if err == nil {
		fmt.Sscan(string(text), &pid)
	}
	if exe, err := os.Readlink(fmt.Sprintf("/proc/%d/exe", pid)); err != nil || filepath.Base(exe) != "postgres" {
		return 0
	}
	return pid
}

// Restart starts the node of that name again and waits until it is a standby.
func (p *Patroni) Restart(t testing.TB, name string) {
	t.Helper()
	for _, n := range p.nodes {
		if n.name == name {
			if err := p.startNode(n); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := until(time.Minute, "a leader and two standbys", func() error { return p.inStep(2) }); err != nil {
		t.Fatal(err)
	}
}

// Log is the end of what the programs said.
func (p *Patroni) Log() string {
	text, _ := os.ReadFile(filepath.Join(p.dir, "log"))
	return string(text[max(0, len(text)-8_000):])
}

// Stop ends everything and removes the folder.
func (p *Patroni) Stop() error {
	for _, n := range p.nodes {
		if n.cmd != nil {
			p.kill(n)
		}
	}
	if p.etcd != nil {
		_ = syscall.Kill(p.etcd.Process.Pid, syscall.SIGKILL)
		_ = p.etcd.Wait()
	}
	return os.RemoveAll(p.dir)
}
