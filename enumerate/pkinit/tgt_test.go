package pkinit_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/jcmturner/gokrb5/v8/credentials"
	"github.com/smartlogon/smartlogon/enumerate/pkinit"
	"github.com/smartlogon/smartlogon/internal/softkdc"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// sessionKey makes the session key of the KDC known to a test.
func sessionKey(key *[]byte) func(*softkdc.KDC) {
	return reply(func(r *softkdc.Reply) {
		for i := range r.SessionKey {
			r.SessionKey[i] = byte(0x80 + i)
		}
		*key = r.SessionKey
	})
}

func TestCache(t *testing.T) {
	var key []byte
	_, address := start(t, sessionKey(&key))
	tgt, err := login(t, address, func(o *pkinit.Options) { o.RenewLifetime = 24 * time.Hour })
	require.NoError(t, err)
	dir := t.TempDir()
	for _, name := range []string{filepath.Join(dir, "one"), "FILE:" + filepath.Join(dir, "two")} {
		require.NoError(t, tgt.WriteCache(name))
	}
	for _, path := range []string{filepath.Join(dir, "one"), filepath.Join(dir, "two")} {
		info, err := os.Stat(path)
		require.NoError(t, err)
		if runtime.GOOS != "windows" {
			assert.Equal(t, os.FileMode(0o600), info.Mode())
		}
		read, err := credentials.LoadCCache(path)
		require.NoError(t, err)
		handed, err := tgt.CCache()
		require.NoError(t, err)
		assert.Equal(t, realm, read.GetClientRealm())
		assert.Equal(t, "alice", read.GetClientPrincipalName().PrincipalNameString())
		require.Len(t, read.Credentials, 1)
		c := read.Credentials[0]
		assert.Equal(t, "krbtgt/EXAMPLE.COM", c.Server.PrincipalName.PrincipalNameString())
		assert.Equal(t, key, c.Key.KeyValue)
		assert.EqualValues(t, 18, c.Key.KeyType)
		assert.True(t, tgt.Times().End.Equal(c.EndTime))
		assert.True(t, tgt.Times().Renew.Equal(c.RenewTill))
		assert.Equal(t, c.Ticket, handed.Credentials[0].Ticket)
		assert.Equal(t, c.Key, handed.Credentials[0].Key)
		assert.Equal(t, c.TicketFlags, handed.Credentials[0].TicketFlags)
		assert.Equal(t, c.Client, handed.Credentials[0].Client)
		assert.Equal(t, c.Server, handed.Credentials[0].Server)
	}
	left, err := os.ReadDir(dir)
	require.NoError(t, err)
	assert.Len(t, left, 2, "no temporary file is left")
}

func TestCacheIsReplaced(t *testing.T) {
	_, address := start(t, nil)
	tgt, err := login(t, address, nil)
	require.NoError(t, err)
	dir := t.TempDir()
	target, link := filepath.Join(dir, "target"), filepath.Join(dir, "link")
	require.NoError(t, os.WriteFile(target, []byte("another user's file"), 0o644))
	if err := os.Symlink(target, link); err != nil {
		t.Skipf("no symbolic links: %v", err)
	}
	require.NoError(t, tgt.WriteCache(link))
	text, err := os.ReadFile(target)
	require.NoError(t, err)
	assert.Equal(t, "another user's file", string(text), "the link is not followed")
	info, err := os.Lstat(link)
	require.NoError(t, err)
	assert.True(t, info.Mode().IsRegular())
	require.NoError(t, tgt.WriteCache(link), "a second time")

	require.NoError(t, os.Mkdir(filepath.Join(dir, "folder"), 0o700))
	assert.Error(t, tgt.WriteCache(filepath.Join(dir, "folder")))
	assert.ErrorIs(t, tgt.WriteCache(filepath.Join(dir, "missing", "cc")), os.ErrNotExist)
	left, err := os.ReadDir(dir)
	require.NoError(t, err)
	assert.Len(t, left, 3, "no temporary file is left")
}

func TestCacheNames(t *testing.T) {
	_, address := start(t, nil)
	tgt, err := login(t, address, nil)
	require.NoError(t, err)
	for _, name := range []string{"KEYRING:persistent:0", "KCM:", "DIR:/tmp/x", "MEMORY:x", "API:x"} {
		assert.ErrorIs(t, tgt.WriteCache(name), errors.ErrUnsupported, name)
	}
	assert.Error(t, tgt.WriteCache(""))
	assert.Error(t, tgt.WriteCache("FILE:"))

	t.Setenv("KRB5CCNAME", "FILE:/somewhere")
	assert.Equal(t, "FILE:/somewhere", pkinit.DefaultCache())
	t.Setenv("KRB5CCNAME", "")
	assert.Contains(t, pkinit.DefaultCache(), "krb5cc_")
}

// TestCacheHasSkew checks the header for a KDC with another clock.
func TestCacheHasSkew(t *testing.T) {
	_, address := start(t, func(k *softkdc.KDC) { k.Clock = func() time.Time { return time.Now().Add(time.Hour) } })
	tgt, err := login(t, address, nil)
	require.NoError(t, err)
	path := filepath.Join(t.TempDir(), "cc")
	require.NoError(t, tgt.WriteCache(path))
	b, err := os.ReadFile(path)
	require.NoError(t, err)
	assert.Equal(t, []byte{5, 4, 0, 12, 0, 1, 0, 8, 0, 0}, b[:10])
	assert.InDelta(t, 3600, int(b[10])<<8|int(b[11]), 10)
	_, err = credentials.LoadCCache(path)
	assert.NoError(t, err)
}

func TestClosedTicket(t *testing.T) {
	var key []byte
	_, address := start(t, sessionKey(&key))
	tgt, err := login(t, address, func(o *pkinit.Options) { o.RenewLifetime = time.Hour })
	require.NoError(t, err)
	require.NoError(t, tgt.Close())
	require.NoError(t, tgt.Close(), "a second time")
	path := filepath.Join(t.TempDir(), "cc")
	assert.ErrorIs(t, tgt.WriteCache(path), pkinit.ErrClosed)
	assert.NoFileExists(t, path)
	_, err = tgt.CCache()
	assert.ErrorIs(t, err, pkinit.ErrClosed)
	_, err = tgt.Renew(t.Context())
	assert.ErrorIs(t, err, pkinit.ErrClosed)
}

// TestKeyIsNotPrinted prints a ticket by every verb.
func TestKeyIsNotPrinted(t *testing.T) {
	var key []byte
	_, address := start(t, sessionKey(&key))
	tgt, err := login(t, address, nil)
	require.NoError(t, err)
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d"} {
		text := fmt.Sprintf(verb, tgt)
		assert.Contains(t, text, "ticket of alice@EXAMPLE.COM until ")
		assert.NotContains(t, text, "808182")
		assert.NotContains(t, text, "128 129 130")
		assert.NotContains(t, text, "0x80, 0x81")
	}
	b, err := json.Marshal(map[string]any{"ticket": tgt})
	require.NoError(t, err)
	assert.Equal(t, `{"ticket":{}}`, string(b))
}

func TestRenew(t *testing.T) {
	for _, skew := range []time.Duration{0, time.Hour} {
		_, address := start(t, func(k *softkdc.KDC) { k.Clock = func() time.Time { return time.Now().Add(skew) } })
		tgt, err := login(t, address, func(o *pkinit.Options) { o.Lifetime, o.RenewLifetime = time.Hour, 24*time.Hour })
		require.NoError(t, err)
		renewed, err := tgt.Renew(t.Context())
		require.NoError(t, err)
		defer renewed.Close()
		assert.Equal(t, tgt.Client(), renewed.Client())
		assert.True(t, renewed.Times().End.After(tgt.Times().End))
		assert.Equal(t, tgt.Times().Auth, renewed.Times().Auth)
		again, err := renewed.Renew(t.Context())
		require.NoError(t, err)
		require.NoError(t, again.Close())
	}
}

// TestConcurrentUse renews and writes a ticket from several goroutines.
func TestConcurrentUse(t *testing.T) {
	_, address := start(t, nil)
	tgt, err := login(t, address, func(o *pkinit.Options) { o.RenewLifetime = 24 * time.Hour })
	require.NoError(t, err)
	dir := t.TempDir()
	var wait sync.WaitGroup
	for range 4 {
		wait.Go(func() {
			renewed, err := tgt.Renew(t.Context())
			if assert.NoError(t, err) {
				assert.NoError(t, renewed.WriteCache(filepath.Join(dir, "cc")))
				assert.NoError(t, renewed.Close())
			}
		})
	}
	wait.Wait()
	_, err = credentials.LoadCCache(filepath.Join(dir, "cc"))
	assert.NoError(t, err)
}

func TestNotRenewable(t *testing.T) {
	_, address := start(t, nil)
	tgt, err := login(t, address, nil)
	require.NoError(t, err)
	_, err = tgt.Renew(t.Context())
	assert.ErrorContains(t, err, "pkinit: renew: ticket cannot be renewed")
}
