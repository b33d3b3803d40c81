package main

import (
	"math"
	"os"
	"path"
	"strconv"
	"strings"
	"syscall"
)

// mostFiles is how many descriptors the process may open.
func mostFiles() int64 {
	var r syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &r); err != nil {
		return 0
	}
	return int64(min(r.Cur, math.MaxInt32))
}

// noCoreDumps keeps what is in memory out of files. It cannot fail: a limit may always be lowered.
func noCoreDumps() { _ = syscall.Setrlimit(syscall.RLIMIT_CORE, &syscall.Rlimit{}) }

// mostMemory is the machine's memory, or less where a control group says so.
func mostMemory() int64 {
	most := int64(0)
	var info syscall.Sysinfo_t
	if err := syscall.Sysinfo(&info); err == nil {
		most = int64(info.Totalram) * int64(info.Unit)
	}
	groups, _ := os.ReadFile("/proc/self/cgroup")
	for _, file := range memoryFiles(string(groups)) {
		text, err := os.ReadFile(file)
		if err != nil {
			continue
		}
		// "max" is no limit, and so is the huge number of the first version.
		if n, err := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64); err == nil && n > 0 && (most == 0 || n < most) {
			most = n
		}
	}
	return most
}

// memoryFiles are those that hold the limits of a process's control groups and all above them, from /proc/self/cgroup. Inside a
// container the group is seen as the root.
func memoryFiles(groups string) []string {
	var files []string
	for line := range strings.Lines(groups) {
		f := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(f) != 3 {
			continue
		}
		root, name := "", ""
		switch {
		case f[0] == "0" && f[1] == "":
			root, name = "/sys/fs/cgroup", "memory.max"
		case strings.Contains(","+f[1]+",", ",memory,"):
			root, name = "/sys/fs/cgroup/memory", "memory.limit_in_bytes"
		default:
			continue
		}
		for group := path.Clean("/" + f[2]); ; group = path.Dir(group) {
			files = append(files, path.Join(root, group, name))
			if group == "/" {
				break
			}
		}
	}
	return files
}
