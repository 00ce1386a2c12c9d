package cba

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

// Once remembers which tokens were used. Instances that serve one login share one.
type Once interface {
	// First reports whether this is the first call for an identifier. The
	// identifier is not needed after expires.
	First(id string, expires time.Time) (bool, error)
}

// Memory is a Once for one instance.
type Memory struct {
	mu   sync.Mutex
	used map[string]time.Time
	now  func() time.Time
}

// NewMemory returns an empty Memory.
func NewMemory(now func() time.Time) *Memory {
	return &Memory{used: make(map[string]time.Time), now: now}
}

// maxRemembered is how many identifiers are remembered. Beyond it logins fail, as
// forgetting one would let it be used again.
const maxRemembered = 1 << 20

// First implements Once.
func (m *Memory) First(id string, expires time.Time) (bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, used := m.used[id]; used {
		return false, nil
	}
	if len(m.used) >= maxRemembered {
		now := m.now()
		for old, end := range m.used {
			if now.After(end) {
				delete(m.used, old)
			}
		}
		if len(m.used) >= maxRemembered {
			return false, errors.New("cba: too many logins at once")
		}
	}
	m.used[id] = expires
	return true, nil
}

// Folder is a Once for instances on one machine: a folder with an empty file for each
// identifier. Files are removed by Sweep.
type Folder string

// First implements Once.
func (f Folder) First(id string, expires time.Time) (bool, error) {
	if id == "" || strings.ContainsAny(id, `./\:`) {
		return false, fmt.Errorf("cba: identifier %.64q", id)
	}
	file, err := os.OpenFile(filepath.Join(string(f), id), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	switch {
	case errors.Is(err, fs.ErrExist):
		return false, nil
	case err != nil:
		return false, fmt.Errorf("cba: %w", err)
	}
	err = file.Close()
	if err == nil {
		err = os.Chtimes(file.Name(), expires, expires)
	}
	if err != nil {
		return false, fmt.Errorf("cba: %w", err)
	}
	return true, nil
}

// Sweep removes the files of identifiers that expired.
func (f Folder) Sweep(now time.Time) error {
	entries, err := os.ReadDir(string(f))
	if err != nil {
		return fmt.Errorf("cba: %w", err)
	}
	for _, e := range entries {
		info, err := e.Info()
		if err == nil && now.After(info.ModTime()) {
			_ = os.Remove(filepath.Join(string(f), e.Name())) // another instance may have removed it
		}
	}
	return nil
}
