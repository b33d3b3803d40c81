package probes

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// mail is the addresses of one Postfix: what it offers at each, and with which certificate.
type mail struct{ good, plain, expired, early, old, modern, mutual string }

// startPostfix runs only what receives mail, out of a folder of its own.
func startPostfix(t testing.TB, certs string) mail {
	t.Helper()
	findProgram(t, "postfix")
	dir, owner := openFolder(t), lookUp(t, "postfix")
	for _, sub := range []string{"etc", "queue", "data"} {
		if err := os.Mkdir(filepath.Join(dir, sub), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chown(filepath.Join(dir, "data"), int(owner.Uid), -1); err != nil {
		t.Fatal(err)
	}
	writeFile(t, filepath.Join(dir, "etc", "main.cf"), fmt.Sprintf(`compatibility_level = 3.6
queue_directory = %[1]s/queue
data_directory = %[1]s/data
maillog_file =
myhostname = portal.test
mydestination =
inet_protocols = ipv4
mynetworks = 127.0.0.0/8
smtpd_client_connection_count_limit = 0
smtpd_tls_security_level = may
smtpd_tls_chain_files = %[2]s/good.key, %[2]s/good.pem
smtpd_tls_CAfile = %[2]s/ca.pem
smtpd_relay_restrictions = reject
`, dir, certs))
	free := func() string { return refusedAddress(t) }
	m := mail{free(), free(), free(), free(), free(), free(), free()}
	services := ""
	for _, one := range []struct{ address, options string }{
		{m.good, ""},
		{m.plain, "-o smtpd_tls_security_level=none"},
		{m.expired, "-o smtpd_tls_chain_files=" + certs + "/expired.key," + certs + "/expired.pem"},
		{m.early, "-o smtpd_tls_chain_files=" + certs + "/early.key," + certs + "/early.pem"},
		{m.old, "-o smtpd_tls_protocols=TLSv1.2"},
		{m.modern, "-o smtpd_tls_protocols=TLSv1.3"},
		{m.mutual, "-o smtpd_tls_security_level=encrypt -o smtpd_tls_req_ccert=yes"},
	} {
		services += one.address + " inet n - n - - smtpd " + one.options + "\n"
	}
	writeFile(t, filepath.Join(dir, "etc", "master.cf"), services+`proxymap unix - - n - - proxymap
rewrite unix - - n - - trivial-rewrite
cleanup unix n - n - 0 cleanup
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
tlsmgr unix - - n 1000? 1 tlsmgr
postlog unix-dgram n - n - 1 postlogd
`)
	if out, err := exec.Command(findProgram(t, "postfix"), "-c", filepath.Join(dir, "etc"), "check").CombinedOutput(); err != nil {
		t.Logf("postfix check: %v %s", err, out)
	}
	peer(t, m.good, "master", "-c", filepath.Join(dir, "etc"), "-d")
	return m
}

// lookUp returns the user that a server runs as. To become it takes root.
func lookUp(t testing.TB, name string) *syscall.Credential {
	t.Helper()
	u, err := user.Lookup(name)
	if err != nil {
		lacks(t, err)
	}
	if os.Getuid() != 0 {
		lacks(t, name+" starts as root only")
	}
	uid, _ := strconv.Atoi(u.Uid)
	gid, _ := strconv.Atoi(u.Gid)
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
}

// startPostgreSQL runs a new cluster; without certs it has no TLS.
func startPostgreSQL(t testing.TB, certs string) string {
	t.Helper()
	initdb, owner, dir := findProgram(t, "initdb"), lookUp(t, "postgres"), openFolder(t)
	as := &syscall.SysProcAttr{Credential: owner}
	own := func(path string) {
		if err := os.Chown(path, int(owner.Uid), int(owner.Gid)); err != nil {
			t.Fatal(err)
		}
	}
	own(dir)
	data := filepath.Join(dir, "data")
	cmd := exec.Command(initdb, "-D", data, "-A", "trust", "-N", "-E", "UTF8", "--locale", "C")
	cmd.Dir, cmd.SysProcAttr = dir, as
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("initdb: %v %s", err, out)
	}
	address := refusedAddress(t)
	host, port, _ := net.SplitHostPort(address)
	args := []string{"-D", data, "-h", host, "-p", port, "-k", dir, "-F"}
	if certs != "" {
		for _, name := range []string{"good.pem", "good.key"} {
			text, err := os.ReadFile(filepath.Join(certs, name))
			if err != nil {
				t.Fatal(err)
			}
			writeFile(t, filepath.Join(dir, name), string(text))
			own(filepath.Join(dir, name))
		}
		args = append(args, strings.Fields("-c ssl=on -c ssl_cert_file="+dir+"/good.pem -c ssl_key_file="+dir+"/good.key")...)
	}
	process{as: as, address: address}.start(t, "postgres", args...)
	return address
}
