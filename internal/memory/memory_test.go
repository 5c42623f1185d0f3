package memory_test

import (
	"runtime/debug"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"

	"caseload/internal/memory"
)

const (
	mib = int64(1) << 20
	gib = int64(1) << 30
)

func TestChoose(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		wish  memory.Wish
		given memory.Given
		want  memory.Settings
	}{
		"nothing is known":                       {want: memory.Settings{Limit: -1, Percent: 200}},
		"a machine is shared":                    {given: memory.Given{Total: 24 * gib}, want: memory.Settings{Limit: 12 * gib, Percent: 200}},
		"a container is for the process":         {given: memory.Given{Limit: 5 * gib, Total: 24 * gib}, want: memory.Settings{Limit: 4 * gib, Percent: 200}},
		"a group of an unknown machine":          {given: memory.Given{Limit: 5 * gib}, want: memory.Settings{Limit: 4 * gib, Percent: 200}},
		"a limit beyond the machine is none":     {given: memory.Given{Limit: 64 * gib, Total: 24 * gib}, want: memory.Settings{Limit: 12 * gib, Percent: 200}},
		"a small container saves":                {given: memory.Given{Limit: 300 * mib, Total: 24 * gib}, want: memory.Settings{Limit: 240 * mib, Percent: 100}},
		"a tiny one does not choke":              {given: memory.Given{Limit: 20 * mib, Total: 24 * gib}, want: memory.Settings{Limit: 48 * mib, Percent: 100}},
		"a tiny machine":                         {given: memory.Given{Total: 64 * mib}, want: memory.Settings{Limit: 48 * mib, Percent: 100}},
		"our own variable wins":                  {wish: memory.Wish{Limit: gib}, given: memory.Given{Limit: 5 * gib, Total: 24 * gib}, want: memory.Settings{Limit: gib, Percent: 200}},
		"our own variable may ask for little":    {wish: memory.Wish{Limit: 16 * mib}, given: memory.Given{Total: 24 * gib}, want: memory.Settings{Limit: 16 * mib, Percent: 100}},
		"GOMEMLIMIT wins over both":              {wish: memory.Wish{Limit: gib, GoLimit: true}, given: memory.Given{Limit: 5 * gib}, want: memory.Settings{Limit: -1, Percent: 200}},
		"GOGC wins":                              {wish: memory.Wish{GoPercent: true}, given: memory.Given{Limit: 5 * gib}, want: memory.Settings{Limit: 4 * gib, Percent: -1}},
		"both of Go's variables leave all alone": {wish: memory.Wish{GoLimit: true, GoPercent: true}, given: memory.Given{Limit: 5 * gib}, want: memory.Settings{Limit: -1, Percent: -1}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, c.want, memory.Choose(c.wish, c.given))
		})
	}
}

func TestRead(t *testing.T) {
	t.Parallel()
	const meminfo = "MemTotal:       24585600 kB\nMemFree:         1000000 kB\n"
	for name, c := range map[string]struct {
		files map[string]string
		want  memory.Given
	}{
		"no Linux":        {want: memory.Given{}},
		"no groups":       {files: map[string]string{"proc/meminfo": meminfo}, want: memory.Given{Total: 24585600 << 10}},
		"version 2":       {files: map[string]string{"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/memory.max": "536870912\n"}, want: memory.Given{Limit: 512 * mib}},
		"version 2, none": {files: map[string]string{"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/memory.max": "max\n"}},
		"the lowest counts": {files: map[string]string{"proc/self/cgroup": "0::/pods/one\n", "sys/fs/cgroup/pods/one/memory.max": "max\n", "sys/fs/cgroup/pods/memory.max": "1073741824\n", "sys/fs/cgroup/memory.max": "2147483648\n"},
			want: memory.Given{Limit: gib}},
		"version 1":             {files: map[string]string{"proc/self/cgroup": "12:cpu,cpuacct:/docker/0\n9:memory:/docker/0\n", "sys/fs/cgroup/memory/docker/0/memory.limit_in_bytes": "268435456\n"}, want: memory.Given{Limit: 256 * mib}},
		"version 1 from within": {files: map[string]string{"proc/self/cgroup": "9:memory:/docker/0\n", "sys/fs/cgroup/memory/memory.limit_in_bytes": "268435456\n"}, want: memory.Given{Limit: 256 * mib}},
		"version 1, none":       {files: map[string]string{"proc/self/cgroup": "9:memory:/\n", "sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n"}},
		"a path that leads out": {files: map[string]string{"proc/self/cgroup": "0::/../../elsewhere\n", "sys/fs/cgroup/memory.max": "536870912\n"}, want: memory.Given{Limit: 512 * mib}},
		"nonsense":              {files: map[string]string{"proc/meminfo": "MemTotal: much kB\n", "proc/self/cgroup": "nonsense\n0::\n", "sys/fs/cgroup/memory.max": ""}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			files := fstest.MapFS{}
			for path, text := range c.files {
				files[path] = &fstest.MapFile{Data: []byte(text)}
			}
			require.Equal(t, c.want, memory.Read(files))
		})
	}
}

// It changes the whole process, so nothing runs beside it.
func TestApply(t *testing.T) {
	limit, percent := debug.SetMemoryLimit(-1), debug.SetGCPercent(100)
	t.Cleanup(func() { debug.SetMemoryLimit(limit); debug.SetGCPercent(percent) })
	memory.Settings{Limit: gib, Percent: 150}.Apply()
	require.Equal(t, gib, debug.SetMemoryLimit(-1))
	memory.Settings{Limit: -1, Percent: -1}.Apply()
	require.Equal(t, gib, debug.SetMemoryLimit(-1))
	require.Equal(t, 150, debug.SetGCPercent(100))
}
