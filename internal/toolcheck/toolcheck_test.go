package toolcheck

import (
	"context"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"
)

// probe is a test that notes how it was ended.
type probe struct {
	testing.TB
	end string
}

func (p *probe) Helper()                  {}
func (p *probe) Context() context.Context { return context.Background() }
func (p *probe) Fatalf(string, ...any)    { p.end = "failed"; runtime.Goexit() }
func (p *probe) Skipf(string, ...any)     { p.end = "skipped"; runtime.Goexit() }

func run(t *testing.T, f func(testing.TB) string) (path, end string) {
	t.Helper()
	p := &probe{TB: t}
	done := make(chan struct{})
	go func() {
		defer close(done)
		path = f(p)
	}()
	<-done
	return path, p.end
}

func write(t *testing.T, dir, name, script string) {
	t.Helper()
	require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte("#!/bin/sh\n"+script+"\n"), 0o755))
}

func TestMissingTool(t *testing.T) {
	need := func(p testing.TB) string { return Need(p, "no-such-tool", "there is none") }
	for ci, want := range map[string]string{"true": "failed", "": "skipped"} {
		t.Setenv("CI", ci)
		t.Setenv("PATH", t.TempDir())
		t.Setenv("CHROMIUM", "no-such-browser")
		for name, f := range map[string]func(testing.TB) string{"need": need, "node": Node, "chromium": Chromium} {
			_, end := run(t, f)
			require.Equal(t, want, end, "%s with CI=%s", name, ci)
		}
	}
}

func TestPresentTool(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("PATH", dir)
	t.Setenv("CI", "")
	t.Setenv("CHROMIUM", "")
	write(t, dir, "node", "echo v20.1.0")
	write(t, dir, "google-chrome", "")
	path, end := run(t, Node)
	require.Empty(t, end)
	require.Equal(t, filepath.Join(dir, "node"), path)
	path, end = run(t, Chromium)
	require.Empty(t, end)
	require.Equal(t, filepath.Join(dir, "google-chrome"), path)

	write(t, dir, "node", "echo v18.19.0")
	_, end = run(t, Node)
	require.Equal(t, "skipped", end, "an old Node.js")
}
