package ledger

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"modernc.org/sqlite"
)

// Backup is the record of a checked backup.
type Backup struct {
	// At is the instant of the snapshot, in milliseconds UTC; File its path as it was given, Bytes its size.
	At    int64  `json:"at_ms"`
	File  string `json:"file"`
	Bytes int64  `json:"bytes"`
	// Inventory is what both the ledger and its copy said.
	Inventory Inventory `json:"inventory"`
}

// backupRecord is the file beside the data that names the newest checked backup.
const backupRecord = "backup.json"

// LastBackup returns the newest checked backup of the ledger in a folder, and whether there is one.
func LastBackup(dir string) (b Backup, found bool, err error) {
	data, err := os.ReadFile(filepath.Join(dir, backupRecord))
	if errors.Is(err, fs.ErrNotExist) {
		return b, false, nil
	}
	if err == nil {
		err = json.Unmarshal(data, &b)
	}
	if err != nil {
		return Backup{}, false, fmt.Errorf("read the record of the newest backup: %w", err)
	}
	return b, true, nil
}

// Backup writes the ledger as it is at this moment to a file that is not there yet, beside whoever writes it. The copy is
// opened as a ledger of its own, read whole through every checksum, and compared with the snapshot; only then does it get its
// name and its record beside the data. Whatever fails leaves no file.
func (s *SQLite) Backup(ctx context.Context, file string, at int64) (Backup, error) {
	b, err := s.backup(ctx, file, at)
	if err != nil {
		return Backup{}, fmt.Errorf("back up ledger %q: %w", s.dir, err)
	}
	return b, nil
}

func (s *SQLite) backup(ctx context.Context, file string, at int64) (Backup, error) {
	if _, err := os.Lstat(file); !errors.Is(err, fs.ErrNotExist) {
		return Backup{}, fmt.Errorf("got %q, want a file that is not there yet", file)
	}
	scratch, err := os.MkdirTemp(filepath.Dir(file), ".uptally-backup-")
	if err != nil {
		return Backup{}, err
	}
	defer os.RemoveAll(scratch)
	said, err := s.copyTo(ctx, filepath.Join(scratch, "ledger.db"))
	if err != nil {
		return Backup{}, err
	}
	got, err := inspect(ctx, scratch)
	if err == nil {
		err = got.Compare(said)
	}
	if err != nil {
		return Backup{}, fmt.Errorf("check the copy: %w", err)
	}
	b := Backup{At: at, File: file, Inventory: said}
	if b.Bytes, err = publish(filepath.Join(scratch, "ledger.db"), file); err != nil {
		return Backup{}, err
	}
	return b, writeRecord(s.dir, b)
}

// copyTo writes a snapshot to a file and returns what the snapshot says. The pages are copied as they are, in the
// transaction in which they were read: VACUUM INTO would begin one of its own, with batches that the inventory does not have.
func (s *SQLite) copyTo(ctx context.Context, path string) (said Inventory, err error) {
	err = s.read(ctx, func(ctx context.Context, snap session) error {
		if said, err = sound(ctx, newMoment(snap)); err != nil {
			return err
		}
		return snap.(*prepared).conn.Raw(func(c any) error {
			b, err := c.(interface {
				NewBackup(string) (*sqlite.Backup, error)
			}).NewBackup(path)
			if err != nil {
				return err
			}
			_, err = b.Step(-1)
			return errors.Join(err, b.Finish())
		})
	})
	return said, err
}

// inspect opens the ledger in a folder and reads it whole.
func inspect(ctx context.Context, dir string) (Inventory, error) {
	s, err := OpenReadOnly(dir)
	if err != nil {
		return Inventory{}, err
	}
	v, err := sound(ctx, s)
	return v, errors.Join(err, s.Close())
}

// publish makes a whole file durable under its final name.
func publish(from, to string) (size int64, err error) {
	f, err := os.Open(from)
	if err != nil {
		return 0, err
	}
	info, err := f.Stat()
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return 0, err
	}
	if err := os.Rename(from, to); err != nil {
		return 0, err
	}
	return info.Size(), syncFolder(filepath.Dir(to))
}

// writeRecord writes the record of a backup beside the data, whole or not at all.
func writeRecord(dir string, b Backup) error {
	data, err := json.MarshalIndent(b, "", "  ")
	if err != nil {
		return err
	}
	f, err := os.CreateTemp(dir, "."+backupRecord+"-")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // where it was not renamed
	_, err = f.Write(append(data, '\n'))
	if err = errors.Join(err, f.Chmod(0o644), f.Close()); err != nil {
		return err
	}
	_, err = publish(f.Name(), filepath.Join(dir, backupRecord))
	return err
}

// Restore puts a backup into a folder that has no ledger, after it was read whole there, and returns what it says.
func Restore(ctx context.Context, file, dir string) (Inventory, error) {
	v, err := restore(ctx, file, dir)
	if err != nil {
		return Inventory{}, fmt.Errorf("restore ledger from %q: %w", file, err)
	}
	return v, nil
}

func restore(ctx context.Context, file, dir string) (v Inventory, err error) {
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return v, err
	}
	lock, err := lockFolder(dir)
	if err != nil {
		return v, err
	}
	defer lock.Close()
	for _, name := range []string{"ledger.db", "ledger.db-wal"} {
		if _, err := os.Lstat(filepath.Join(dir, name)); !errors.Is(err, fs.ErrNotExist) {
			return v, fmt.Errorf("got a folder %q that has %s, want one without a ledger", dir, name)
		}
	}
	scratch, err := os.MkdirTemp(dir, ".uptally-restore-")
	if err != nil {
		return v, err
	}
	defer os.RemoveAll(scratch)
	path := filepath.Join(scratch, "ledger.db")
	if err := copyFile(file, path); err != nil {
		return v, err
	}
	if err = renamed(ctx, scratch, "restored from a backup"); err != nil {
		return v, err
	}
	if v, err = inspect(ctx, scratch); err != nil {
		return v, err
	}
	_, err = publish(path, filepath.Join(dir, "ledger.db"))
	return v, err
}

// renamed gives the ledger in a folder a new incarnation: agents then send again what it lacks.
func renamed(ctx context.Context, dir, why string) error {
	s, err := Open(dir, Options{})
	if err != nil {
		return err
	}
	was, err := s.Incarnation(ctx)
	if err == nil {
		_, err = s.Reincarnate(ctx, was, why)
	}
	return errors.Join(err, s.Close())
}

func copyFile(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o640)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close())
}
