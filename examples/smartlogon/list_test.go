package main

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/smartlogon/smartlogon/card"
	"github.com/smartlogon/smartlogon/card/cardtest"
	"github.com/smartlogon/smartlogon/enumerate"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// leaf returns the fields of a certificate that is valid for the next decades.
func leaf(user string, ekus ...string) cardtest.Leaf {
	return cardtest.Leaf{
		UPNs: []string{user}, EKUs: ekus,
		NotBefore: time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC), NotAfter: time.Date(2049, 12, 31, 0, 0, 0, 0, time.UTC),
	}
}

const emailProtection = "1.3.6.1.5.5.7.3.4"

// aliceCard returns a card with a certificate for sign-in and one for e-mail.
func aliceCard() *cardtest.Card {
	c := cardtest.PIV()
	for slot, l := range map[string]cardtest.Leaf{"9A": leaf("alice@example.com"), "9D": leaf("alice@example.com", emailProtection)} {
		key, der := cardtest.TestCA().Issue(l)
		c.Put(slot, key, der)
	}
	return c
}

// bobCard returns a virtual smart card.
func bobCard() *cardtest.Card {
	key, der := cardtest.TestCA().Issue(leaf("bob@example.com"))
	return cardtest.TPM().Put("kxc00", key, der)
}

// decodeLines decodes JSON objects, one per line.
func decodeLines[T any](t *testing.T, text string) (list []T) {
	t.Helper()
	for line := range strings.Lines(text) {
		var v T
		require.NoError(t, json.Unmarshal([]byte(line), &v), line)
		list = append(list, v)
	}
	return list
}

func TestList(t *testing.T) {
	readers := cardtest.NewReaders(aliceCard(), bobCard(), nil)
	defer readers.Close()
	out, err := smartlogon(t, readers, "list")
	require.NoError(t, err)
	assert.Equal(t, `NAME               SIGN-IN  CONTAINER   READER              VALID UNTIL
alice@example.com  offered  PIV 9A      Software Reader 00  2049-12-31
alice@example.com  no: eku  PIV 9D      Software Reader 00  2049-12-31
bob@example.com    offered  GIDS kxc00  Software Reader 01  2049-12-31
`, out)

	out, err = smartlogon(t, readers, "list", "-offered", "-reader", "Software Reader 01", "-json")
	require.NoError(t, err)
	assert.Equal(t, `{"reader":"Software Reader 01","application":"GIDS","container":"kxc00","title":"bob@example.com","issuer":"CN=Test CA,O=cardtest","notAfter":"2049-12-31T00:00:00Z","offered":true,"failed":[]}
`, out)
}

// A card that cannot be read does not hide the others.
func TestListFaults(t *testing.T) {
	readers := cardtest.NewReaders(aliceCard(), cardtest.PIV(cardtest.PIVMissing))
	defer readers.Close()
	out, err := smartlogon(t, readers, "list")
	require.NoError(t, err)
	assert.Contains(t, out, "alice@example.com  offered")
	assert.Contains(t, out, enumerate.ErrNoApplication.Error())
	out, err = smartlogon(t, readers, "list", "-json")
	require.NoError(t, err)
	list := decodeLines[struct{ Title, Error, Remedy string }](t, out)
	require.Len(t, list, 3)
	assert.Equal(t, "alice@example.com", list[0].Title)
	assert.Contains(t, list[2].Error, "Software Reader 01")
	assert.Equal(t, card.Hint(enumerate.ErrNoApplication), list[2].Remedy)
}

func TestListNothing(t *testing.T) {
	none := cardtest.NewReaders()
	defer none.Close()
	_, err := smartlogon(t, none, "list")
	assert.ErrorIs(t, err, card.ErrNoReader)
	empty := cardtest.NewReaders(nil)
	defer empty.Close()
	_, err = smartlogon(t, empty, "list")
	assert.ErrorIs(t, err, card.ErrNoCard)
	blank := cardtest.NewReaders(cardtest.PIV())
	defer blank.Close()
	_, err = smartlogon(t, blank, "list")
	assert.ErrorIs(t, err, enumerate.ErrNotOffered)
}

// A USB device chooses the name of its reader, and a card the names on it.
func TestEverythingIsEscaped(t *testing.T) {
	const name = "Reader\x1b[2J\u202e"
	_, der := cardtest.TestCA().Issue(cardtest.Leaf{UPNs: []string{"alice\x1b[2J@example.com"}})
	readers := cardtest.NewReaders()
	defer readers.Close()
	readers.Plug(name, nil)
	readers.Insert(name, cardtest.PIV().Put("9A", nil, der))
	readers.Plug("Another\x1b[2J\u202e", nil)
	for _, args := range [][]string{
		{"list"}, {"list", "-json"}, {"doctor"}, {"doctor", "-json"}, {"pin", "status"}, {"pin", "status", "-json"},
		{"explain"}, {"explain", "-json"}, {"signin"},
	} {
		out, err := smartlogon(t, readers, args...)
		assert.NotContains(t, out, "\x1b", "%q", args)
		assert.NotContains(t, out, "\u202e", "%q", args)
		if args[0] != "signin" && args[0] != "doctor" {
			assert.NoError(t, err, "%q", args)
		}
	}
}
