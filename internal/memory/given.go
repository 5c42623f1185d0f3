package memory

import (
	"io/fs"
	"path"
	"strconv"
	"strings"
)

// unlimited is more than any machine has; version 1 of control groups writes "no limit" as a number of this size.
const unlimited = 1 << 60

// Read finds out what this process is given from the files of Linux below root, which is os.DirFS("/") but for
// tests. Whatever cannot be read is not known: on other systems that is everything.
func Read(root fs.FS) Given {
	return Given{Limit: limit(root), Total: total(root)}
}

func total(root fs.FS) int64 {
	text, err := fs.ReadFile(root, "proc/meminfo")
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(text)) {
		// MemTotal:       24585600 kB
		if fields := strings.Fields(line); len(fields) > 1 && fields[0] == "MemTotal:" {
			kib, err := strconv.ParseInt(fields[1], 10, 53)
			if err != nil {
				return 0
			}
			return kib << 10
		}
	}
	return 0
}

// limit is the lowest limit of the process's control group and of all that it is in.
func limit(root fs.FS) int64 {
	text, err := fs.ReadFile(root, "proc/self/cgroup")
	if err != nil {
		return 0
	}
	lowest := int64(0)
	take := func(folder, group, file string) {
		// A container may see the path of its group outside, but only its own group's files: the mount's root is
		// looked at in any case.
		for group = path.Clean("/" + group); ; group = path.Dir(group) {
			if n := number(root, path.Join(folder, group, file)); n > 0 && (lowest == 0 || n < lowest) {
				lowest = n
			}
			if group == "/" {
				return
			}
		}
	}
	for line := range strings.Lines(string(text)) {
		// 0::/user.slice/app in version 2, 9:memory:/docker/0123 in version 1.
		parts := strings.SplitN(strings.TrimSpace(line), ":", 3)
		switch {
		case len(parts) < 3:
		case parts[0] == "0" && parts[1] == "":
			take("sys/fs/cgroup", parts[2], "memory.max")
		case strings.Contains(","+parts[1]+",", ",memory,"):
			take("sys/fs/cgroup/memory", parts[2], "memory.limit_in_bytes")
		}
	}
	return lowest
}

func number(root fs.FS, name string) int64 {
	text, err := fs.ReadFile(root, name)
	if err != nil {
		return 0
	}
	// "max" is no number.
	n, err := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64)
	if err != nil || n >= unlimited {
		return 0
	}
	return n
}
