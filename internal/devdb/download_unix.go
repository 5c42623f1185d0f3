//go:build unix && !solaris && !aix

package devdb

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	embeddedpostgres "github.com/fergusstrange/embedded-postgres"
)

// downloadable names the version that embedded-postgres offers for each major one; 0 is for new data.
var downloadable = map[int]embeddedpostgres.PostgresVersion{
	0:  embeddedpostgres.V17,
	14: embeddedpostgres.V14,
	15: embeddedpostgres.V15,
	16: embeddedpostgres.V16,
	17: embeddedpostgres.V17,
	18: embeddedpostgres.V18,
}

// download brings PostgreSQL's programs into the home, once.
func download(ctx context.Context, h home, o Options, major int) (programs, error) {
	version, ok := downloadable[major]
	if !ok {
		return programs{}, fmt.Errorf("no PostgreSQL %d on this machine, and none can be downloaded", major)
	}
	target := h.file("postgresql-" + string(version))
	if p, ok := inspect(ctx, h.as, filepath.Join(target, "bin")); ok {
		return p, nil
	}
	o.Log.InfoContext(ctx, "no PostgreSQL on this machine: downloading one, which takes a minute", "version", string(version))
	partial := target + ".partial"
	if err := os.RemoveAll(partial); err != nil {
		return programs{}, fmt.Errorf("clear download: %w", err)
	}
	defer os.RemoveAll(partial) //nolint:errcheck // what is left of a failed download is removed by the next one

	// The download cannot be cancelled; a caller who gives up does not wait for it.
	finished := make(chan error, 1)
	go func() { finished <- fetch(partial, h.file("downloads"), o.Repository, version) }()
	select {
	case <-ctx.Done():
		return programs{}, fmt.Errorf("download PostgreSQL: %w", context.Cause(ctx))
	case err := <-finished:
		if err != nil {
			return programs{}, fmt.Errorf("download PostgreSQL %s: %w", version, err)
		}
	}
	err := filepath.WalkDir(partial, func(path string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return h.as.own(path)
	})
	if err != nil {
		return programs{}, fmt.Errorf("hand over downloaded PostgreSQL: %w", err)
	}
	if err := os.RemoveAll(target); err != nil {
		return programs{}, fmt.Errorf("clear download: %w", err)
	}
	if err := os.Rename(partial, target); err != nil {
		return programs{}, fmt.Errorf("keep downloaded PostgreSQL: %w", err)
	}
	if err := os.RemoveAll(h.file("downloads")); err != nil {
		return programs{}, fmt.Errorf("remove downloaded archive: %w", err)
	}
	p, ok := inspect(ctx, h.as, filepath.Join(target, "bin"))
	if !ok {
		return programs{}, fmt.Errorf("run downloaded PostgreSQL in %s: it does not start on this machine", target)
	}
	return p, nil
}

// fetch downloads and unpacks by embedded-postgres. The library can only do that as part of a start, so it
// is given a data folder that holds nothing but a version number: it skips initdb, which refuses root,
// and its start gives up at once. That refusal is the sign that everything before it went well.
func fetch(target, cache, repository string, version embeddedpostgres.PostgresVersion) error {
	if err := os.MkdirAll(cache, 0o755); err != nil {
		return fmt.Errorf("make folder: %w", err)
	}
	empty, err := os.MkdirTemp(cache, "empty")
	if err != nil {
		return fmt.Errorf("make folder: %w", err)
	}
	defer os.RemoveAll(empty) //nolint:errcheck // an empty folder
	major, _, _ := strings.Cut(string(version), ".")
	if err := os.WriteFile(filepath.Join(empty, "PG_VERSION"), []byte(major+"\n"), 0o600); err != nil {
		return fmt.Errorf("write version: %w", err)
	}
	port, err := freePort()
	if err != nil {
		return err
	}
	var output bytes.Buffer
	config := embeddedpostgres.DefaultConfig().
		Version(version).
		Port(uint32(port)).
		CachePath(cache).
		RuntimePath(target).
		BinariesPath(target).
		DataPath(empty).
		Logger(&output)
	if repository != "" {
		config = config.BinaryRepositoryURL(repository)
	}
	server := embeddedpostgres.NewDatabase(config)
	err = server.Start()
	switch {
	case err == nil:
		return server.Stop()
	case strings.HasPrefix(err.Error(), "could not start postgres using"):
		return nil
	default:
		return err
	}
}
