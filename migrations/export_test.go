package migrations

import (
	"context"
	"database/sql"
	"io/fs"
)

// Of makes the runner of other files, for tests.
func Of(files fs.FS) Runner { return Runner{runner{files: files}} }

// UpTo brings the database to one of our versions, without River's.
func UpTo(ctx context.Context, db *sql.DB, version int64) error {
	p, err := ours().provider(db)
	if err != nil {
		return err
	}
	_, err = p.UpTo(ctx, version)
	return err
}

// Files are the embedded ones.
func Files() fs.FS { return files }

type Runner struct{ r runner }

func (r Runner) Up(ctx context.Context, db *sql.DB) error { return r.r.up(ctx, db) }
func (r Runner) Down(ctx context.Context, db *sql.DB, to int64) error {
	return r.r.down(ctx, db, to)
}
func (r Runner) Check(ctx context.Context, db *sql.DB) error            { return r.r.check(ctx, db) }
func (r Runner) Status(ctx context.Context, db *sql.DB) ([]Step, error) { return r.r.status(ctx, db) }
func (r Runner) Hash() string                                           { return r.r.hash() }
