package ledger_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/uptally/uptally"
	"github.com/uptally/uptally/ledger/postgrestest"
)

// victoria is a VictoriaMetrics of the machine, with its data in dir.
type victoria struct {
	cmd *exec.Cmd
	url string
}

func startVictoria(b *testing.B, dir string) *victoria {
	path, err := exec.LookPath("victoria-metrics")
	if err != nil {
		b.Skip("no victoria-metrics on this machine")
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	address := l.Addr().String()
	l.Close()
	v := &victoria{exec.Command(path, "-storageDataPath="+dir, "-httpListenAddr="+address, "-retentionPeriod=100y", "-loggerLevel=ERROR",
		"-search.maxQueryDuration=10m", "-search.maxExportDuration=30m", "-search.disableCache"), "http://" + address}
	if err := v.cmd.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { v.stop() })
	for deadline := time.Now().Add(time.Minute); ; <-time.After(20 * time.Millisecond) {
		if r, err := http.Get(v.url + "/health"); err == nil {
			r.Body.Close()
			return v
		} else if time.Now().After(deadline) {
			b.Fatal(err)
		}
	}
}

// stop ends it in order: it writes what it has in memory.
func (v *victoria) stop() {
	_ = v.cmd.Process.Signal(syscall.SIGINT)
	_ = v.cmd.Wait()
}

func (v *victoria) cpu(b *testing.B) int64 { return processNanos(b, v.cmd.Process.Pid) }

// get reads a page to its end and returns its length.
func (v *victoria) get(b *testing.B, page string) int64 {
	r, err := http.Get(v.url + page)
	if err != nil {
		b.Fatal(err)
	}
	defer r.Body.Close()
	n, err := io.Copy(io.Discard, r.Body)
	if err != nil || r.StatusCode/100 != 2 {
		b.Fatalf("get %s: %v, %v", page, r.Status, err)
	}
	return n
}

func (v *victoria) post(b *testing.B, lines []byte) {
	r, err := http.Post(v.url+"/api/v1/import", "application/json", bytes.NewReader(lines))
	if err != nil {
		b.Fatal(err)
	}
	r.Body.Close()
	if r.StatusCode/100 != 2 {
		b.Fatal(r.Status)
	}
}

// processNanos is the CPU time of a process and of its children that have ended.
func processNanos(b *testing.B, pid int) (sum int64) {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		b.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(data), ") ")
	for _, field := range strings.Fields(rest)[11:15] { // utime, stime, cutime, cstime, in hundredths of a second
		n, err := strconv.ParseInt(field, 10, 64)
		if err != nil {
			b.Fatal(err)
		}
		sum += n * 10_000_000
	}
	return sum
}

// dirSize is the length of all files below dir.
func dirSize(b *testing.B, dir string) (n int64) {
	err := filepath.WalkDir(dir, func(_ string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		info, err := e.Info()
		if err == nil {
			n += info.Size()
		}
		return err
	})
	if err != nil {
		b.Fatal(err)
	}
	return n
}

// BenchmarkVictoriaMetrics is the same 30 days there, as probe_success and probe_duration_seconds of each series: without reasons and
// texts, and acknowledged from memory. CPU is the server's.
func BenchmarkVictoriaMetrics(b *testing.B) {
	for b.Loop() {
		dir := b.TempDir()
		v := startVictoria(b, dir)
		results := 0
		var lines []byte
		for day := firstDay; day < firstDay+monthDays; day++ {
			for site := range month.Sites {
				lines = lines[:0]
				for check := range month.Checks {
					rs := month.Results(nil, site, check, day)
					results += len(rs)
					lines = appendLines(lines, month.Check(check), month.Site(site), rs)
				}
				v.post(b, lines)
			}
		}
		v.get(b, "/internal/force_flush")
		per := func(what string, cpu int64) { b.ReportMetric(float64(cpu)/float64(results), what) }
		per("import-cpu-ns/result", v.cpu(b))
		v.stop()
		per("disk-B/result", dirSize(b, dir))
		v = startVictoria(b, dir)
		before := v.cpu(b)
		end := int64(firstDay+monthDays)*86_400 - 1
		v.get(b, fmt.Sprintf("/api/v1/query?query=%s&time=%d", url.QueryEscape(fmt.Sprintf("avg_over_time(probe_success[%dd])", monthDays)), end))
		per("summary-cpu-ns/result", v.cpu(b)-before)
		before = v.cpu(b)
		v.get(b, "/api/v1/export?match[]="+url.QueryEscape(`{__name__=~"probe_.*"}`))
		per("all-cpu-ns/result", v.cpu(b)-before)
		v.stop()
	}
}

// appendLines appends two lines of JSON, as VictoriaMetrics imports them.
func appendLines(dst []byte, check, site string, rs []uptally.Result) []byte {
	for _, name := range []string{"probe_success", "probe_duration_seconds"} {
		dst = fmt.Appendf(dst, `{"metric":{"__name__":%q,"check":%q,"site":%q},"values":[`, name, check, site)
		for _, r := range rs {
			switch {
			case name == "probe_duration_seconds":
				dst = strconv.AppendFloat(dst, float64(r.RTT)/1e6, 'f', -1, 64)
			case r.Reason == uptally.OK:
				dst = append(dst, '1')
			default:
				dst = append(dst, '0')
			}
			dst = append(dst, ',')
		}
		dst = append(dst[:len(dst)-1], `],"timestamps":[`...)
		for _, r := range rs {
			dst = append(strconv.AppendInt(dst, r.SentAt(), 10), ',')
		}
		dst = append(dst[:len(dst)-1], "]}\n"...)
	}
	return dst
}

const rowDays = 5

// BenchmarkPostgresRows is five days as rows of a table in PostgreSQL, with its settings for durability, in transactions of the same
// batches. CPU is that of both sides.
func BenchmarkPostgresRows(b *testing.B) {
	for b.Loop() {
		cluster, err := postgrestest.Start()
		if err != nil {
			b.Skip(err)
		}
		b.Cleanup(func() { _ = cluster.Stop() })
		benchmarkRows(b, cluster.Fresh(b))
	}
}

func benchmarkRows(b *testing.B, dsn string) {
	ctx := context.Background()
	conn, err := pgx.Connect(ctx, dsn)
	if err != nil {
		b.Fatal(err)
	}
	defer conn.Close(ctx)
	exec := func(sql string) {
		if _, err := conn.Exec(ctx, sql); err != nil {
			b.Fatal(err)
		}
	}
	exec(`CREATE TABLE result (series int NOT NULL, at bigint NOT NULL, late int NOT NULL, reason smallint NOT NULL, rtt bigint NOT NULL,
		detail text, PRIMARY KEY (series, at))`)
	series := map[uptally.ID]int32{}
	for i, s := range month.Series() {
		series[s.Check^s.Site] = int32(i)
	}
	backend := int(conn.PgConn().PID())
	var client price
	server := -serverNanos(b, backend)
	for day := firstDay; day < firstDay+rowDays; day++ {
		for site := range month.Sites {
			for in := range month.Batches(site, day, 1_000) {
				client.of(b, len(in.Batch.Results), func() error { return insertRows(ctx, conn, series, in.Batch.Results) })
			}
		}
	}
	server += serverNanos(b, backend)
	exec("VACUUM ANALYZE result")
	var size int64
	if err := conn.QueryRow(ctx, "SELECT pg_total_relation_size('result')").Scan(&size); err != nil {
		b.Fatal(err)
	}
	per := func(what string, n int64) { b.ReportMetric(float64(n)/float64(client.results), what) }
	per("insert-cpu-ns/result", client.cpu+server)
	per("disk-B/result", size)
	for what, sql := range map[string]string{
		"summary": "SELECT series, count(*), count(*) FILTER (WHERE reason = 0) FROM result GROUP BY series",
		"all":     "SELECT series, at, late, reason, rtt FROM result ORDER BY series, at",
	} {
		before := cpuNanos(b) + serverNanos(b, backend)
		rows, err := conn.Query(ctx, sql)
		if err != nil {
			b.Fatal(err)
		}
		for rows.Next() {
			rows.RawValues()
		}
		if rows.Err() != nil {
			b.Fatal(rows.Err())
		}
		per(what+"-cpu-ns/result", cpuNanos(b)+serverNanos(b, backend)-before)
	}
}

func insertRows(ctx context.Context, conn *pgx.Conn, number map[uptally.ID]int32, rs []uptally.Result) error {
	n := len(rs)
	series, at, late, reason, rtt, detail := make([]int32, n), make([]int64, n), make([]int32, n), make([]int16, n), make([]int64, n), make([]*string, n)
	for i, r := range rs {
		series[i], at[i], late[i], reason[i], rtt[i] = number[r.Check^r.Site], r.At, r.Late, int16(r.Reason), r.RTT
		if r.Detail != "" {
			detail[i] = &r.Detail
		}
	}
	_, err := conn.Exec(ctx, `INSERT INTO result SELECT * FROM unnest($1::int[], $2::bigint[], $3::int[], $4::smallint[], $5::bigint[], $6::text[])
		ON CONFLICT DO NOTHING`, series, at, late, reason, rtt, detail)
	return err
}

// serverNanos is the CPU time of all processes of the PostgreSQL that a backend belongs to.
func serverNanos(b *testing.B, backend int) (sum int64) {
	parent := parentOf(backend)
	stats, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		b.Fatal(err)
	}
	for _, dir := range stats {
		pid, err := strconv.Atoi(filepath.Base(dir))
		if err == nil && (pid == parent || parentOf(pid) == parent) {
			sum += processNanos(b, pid)
		}
	}
	return sum
}

// parentOf is 0 for a process that is gone.
func parentOf(pid int) int {
	data, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	_, rest, _ := strings.Cut(string(data), ") ")
	fields := strings.Fields(rest + " 0 0")
	parent, _ := strconv.Atoi(fields[1])
	return parent
}
