package pii

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
)

// LoadOrCreate reads the keys in the file at path, or makes new ones and keeps them there, readable by the
// owner alone; missing folders are made. Processes that start at once agree on one set of keys.
//
// A file that exists is never written: if it is damaged, or others may read it, that is an error, for new
// keys in its place would make everything sealed so far unreadable for good.
func LoadOrCreate(path string) (Keys, error) {
	keys, err := load(path)
	if !errors.Is(err, fs.ErrNotExist) {
		return keys, err
	}
	if keys, err = GenerateKeys(); err != nil {
		return Keys{}, err
	}
	text, err := keys.Text()
	if err != nil {
		return Keys{}, err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return Keys{}, fmt.Errorf("create folder of key file: %w", err)
	}
	if err := writeOnce(path, text+"\n"); err != nil && !errors.Is(err, fs.ErrExist) {
		return Keys{}, fmt.Errorf("create key file: %w", err)
	}
	// Another process may have created the file first.
	return load(path)
}

func load(path string) (Keys, error) {
	info, err := os.Stat(path)
	if err != nil {
		return Keys{}, fmt.Errorf("read key file: %w", err)
	}
	// Windows has no such bits; there the folder's access list protects the file.
	if mode := info.Mode().Perm(); runtime.GOOS != "windows" && mode&0o077 != 0 {
		return Keys{}, fmt.Errorf("read key file: %s is open to other users (mode %04o), it must be 0600", path, mode)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return Keys{}, fmt.Errorf("read key file: %w", err)
	}
	keys, err := ParseKeys(string(text))
	if err != nil {
		return Keys{}, fmt.Errorf("read key file %s: %w", path, err)
	}
	return keys, nil
}

// writeOnce creates a file atomically, if there is none: a link, unlike a rename, does not replace a file.
func writeOnce(path, text string) error {
	// CreateTemp gives mode 0600.
	temporary, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(temporary.Name()) }()
	_, err = temporary.WriteString(text)
	// Sync: values sealed with these keys must not reach the disk before them.
	err = errors.Join(err, temporary.Sync(), temporary.Close())
	if err != nil {
		return err
	}
	return os.Link(temporary.Name(), path)
}
