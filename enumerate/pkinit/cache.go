package pkinit

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// DefaultCache returns the credential cache of the environment: KRB5CCNAME, or else
// FILE:/tmp/krb5cc_UID, the default of MIT Kerberos. A krb5.conf may name another
// one, which is not read.
func DefaultCache() string {
	if name := os.Getenv("KRB5CCNAME"); name != "" {
		return name
	}
	return fmt.Sprintf("FILE:%s", filepath.Join(os.TempDir(), fmt.Sprintf("krb5cc_%d", os.Getuid())))
}

// WriteCache replaces the credential cache of the given name, FILE:PATH or PATH,
// with one that has this ticket. Other types of caches are not supported.
//
// The file is written under another name, with mode 0600, and renamed, so another
// program never reads half of it. A symbolic link is replaced, not followed.
func (t *TGT) WriteCache(name string) error {
	if err := t.writeCache(name); err != nil {
		return describe("write credential cache", err)
	}
	return nil
}

func (t *TGT) writeCache(name string) error {
	path, err := cachePath(name)
	if err != nil {
		return err
	}
	ticket, key, err := t.secrets()
	if err != nil {
		return err
	}
	defer clear(key)
	content := t.encodeCache(ticket, key)
	defer clear(content)

	// CreateTemp creates a new file with mode 0600.
	file, err := os.CreateTemp(filepath.Dir(path), ".krb5cc*")
	if err != nil {
		return err
	}
	_, err = file.Write(content)
	if err = errors.Join(err, file.Close()); err == nil {
		err = os.Rename(file.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(file.Name()))
	}
	return nil
}

func cachePath(name string) (string, error) {
	kind, path, ok := strings.Cut(name, ":")
	switch {
	case !ok, len(kind) == 1 && filepath.VolumeName(name) != "": // a drive letter
		path = name
	case kind != "FILE":
		return "", fmt.Errorf("cache of type %.16q: %w", kind, errors.ErrUnsupported)
	}
	if path == "" {
		return "", errors.New("the name is empty")
	}
	return path, nil
}

// encodeCache encodes a cache of version 4, which MIT Kerberos documents as the
// credential cache file format.
func (t *TGT) encodeCache(ticket, key []byte) []byte {
	b := []byte{5, 4}
	if seconds := t.skew / time.Second; seconds != 0 {
		b = append(b, 0, 12, 0, 1, 0, 8) // the clock of the KDC relative to this one
		b = binary.BigEndian.AppendUint32(b, uint32(int32(seconds)))
		b = binary.BigEndian.AppendUint32(b, 0) // microseconds
	} else {
		b = append(b, 0, 0)
	}
	b = appendPrincipal(b, t.client) // of the cache
	b = appendPrincipal(b, t.client)
	b = appendPrincipal(b, t.server)
	b = binary.BigEndian.AppendUint16(b, uint16(t.etype))
	b = appendData(b, key)
	for _, at := range []time.Time{t.times.Auth, t.times.Start, t.times.End, t.times.Renew} {
		b = binary.BigEndian.AppendUint32(b, cacheTime(at))
	}
	b = append(b, 0) // the key is not that of a second ticket
	b = append(b, flagBytes(t.flags)...)
	b = binary.BigEndian.AppendUint32(b, 0) // addresses
	b = binary.BigEndian.AppendUint32(b, 0) // authorization data
	b = appendData(b, ticket)
	return appendData(b, nil) // second ticket
}

func flagBytes(f uint32) []byte { return binary.BigEndian.AppendUint32(nil, f) }

// cacheTime returns the seconds since 1970. The zero time is 0.
func cacheTime(t time.Time) uint32 {
	if t.IsZero() {
		return 0
	}
	return uint32(min(max(t.Unix(), 0), math.MaxUint32))
}

func appendPrincipal(b []byte, n realmName) []byte {
	b = binary.BigEndian.AppendUint32(b, uint32(n.nameType))
	b = binary.BigEndian.AppendUint32(b, uint32(len(n.components)))
	b = appendData(b, []byte(n.realm))
	for _, c := range n.components {
		b = appendData(b, []byte(c))
	}
	return b
}

func appendData(b, data []byte) []byte {
	b = binary.BigEndian.AppendUint32(b, uint32(len(data)))
	return append(b, data...)
}
