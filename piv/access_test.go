package piv_test

import (
	"bytes"
	"context"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/smartlogon/smartlogon/card"
	"github.com/smartlogon/smartlogon/card/cardtest"
	"github.com/smartlogon/smartlogon/internal/testkeys"
	"github.com/smartlogon/smartlogon/piv"
)

// Who somebody has proved to be (SP 800-73-4 part 2, table 2).
type condition struct {
	name                string
	pin, key, triedKeys bool
}

var conditions = []condition{
	{name: "nobody"},
	{name: "the holder, by the PIN", pin: true},
	{name: "the administrator, by the management key", key: true},
	{name: "both", pin: true, key: true},
	{name: "nobody, after a wrong management key", triedKeys: true},
	{name: "the holder, after a wrong management key", pin: true, triedKeys: true},
}

// prove makes a condition true in a section.
func (c condition) prove(t *testing.T, tx *card.Tx, alg piv.Algorithm) {
	_, err := tx.Select(fullAID)
	require.NoError(t, err)
	if c.pin {
		_, err := tx.Command(card.Command{INS: 0x20, P2: 0x80, Data: []byte(cardtest.PIN + "\xFF\xFF")})
		require.NoError(t, err)
	}
	if c.key {
		require.NoError(t, piv.Authenticate(managementKey(t, alg, customary()), tx))
	}
	if c.triedKeys {
		require.ErrorIs(t, piv.Authenticate(managementKey(t, alg, make([]byte, 24)), tx), piv.ErrManagementKey)
	}
}

// An administrative command, and what it takes. What the card says to whom has
// not got it is refusal, 6982 where that is 0.
type administrative struct {
	name     string
	command  card.Command
	pin, key bool
	refusal  card.Status // to everybody
}

func administratives() []administrative {
	old, puk, fresh := []byte(cardtest.PIN+"\xFF\xFF"), []byte(cardtest.PUK), []byte("654321\xFF\xFF")
	return []administrative{
		{name: "PUT DATA", key: true, command: card.Command{INS: 0xDB, P1: 0x3F, P2: 0xFF, Data: join(tlv(0x5C, 0x5F, 0xC1, 0x0C), tlv(0x53, tlv(0xC1, 1)...))}},
		{name: "PUT DATA of the discovery object", key: true, command: card.Command{INS: 0xDB, P1: 0x3F, P2: 0xFF, Data: tlv(0x7E, join(tlv(0x4F, fullAID...), tlv(0x5F2F, 0x40, 0))...)}},
		{name: "GENERATE ASYMMETRIC KEY PAIR", key: true, command: card.Command{INS: 0x47, P2: 0x9A, Data: tlv(0xAC, tlv(0x80, 0x11)...), Ne: 256}},
		{name: "CHANGE REFERENCE DATA of the PIN", command: card.Command{INS: 0x24, P2: 0x80, Data: join(old, fresh)}},
		{name: "CHANGE REFERENCE DATA of the PUK", command: card.Command{INS: 0x24, P2: 0x81, Data: join(puk, puk)}},
		{name: "RESET RETRY COUNTER", command: card.Command{INS: 0x2C, P2: 0x80, Data: join(puk, fresh)}},
	}
}

func yubicoAdministratives() []administrative {
	return []administrative{
		{name: "IMPORT ASYMMETRIC KEY", key: true, command: card.Command{INS: 0xFE, P1: 0xE0, P2: 0x9A, Data: tlv(0x07, make([]byte, 32)...)}},
		{name: "SET MANAGEMENT KEY", key: true, command: card.Command{INS: 0xFF, P1: 0xFF, P2: 0xFF, Data: join([]byte{0x0A}, tlv(0x9B, make([]byte, 24)...))}},
		{name: "SET PIN RETRIES", key: true, pin: true, command: card.Command{INS: 0xFA, P1: 5, P2: 5}},
		{name: "MOVE KEY", key: true, command: card.Command{INS: 0xF6, P1: 0x9C, P2: 0x9D}},
		{name: "DELETE KEY", key: true, command: card.Command{INS: 0xF6, P1: 0xFF, P2: 0x9D}},
		{name: "RESET", command: card.Command{INS: 0xFB}, refusal: card.StatusConditionsNotMet},
		{name: "ATTEST of a key from outside", command: card.Command{INS: 0xF9, P1: 0x9D, Ne: 256}, refusal: card.StatusWrongData},
		{name: "GET METADATA", command: card.Command{INS: 0xF7, P2: 0x9B, Ne: 256}},
		{name: "GET VERSION", command: card.Command{INS: 0xFD, Ne: 256}},
		{name: "GET SERIAL", command: card.Command{INS: 0xF8, Ne: 256}},
	}
}

// The card allows each command to whom the standard's table says.
func TestAccessOnTheCard(t *testing.T) {
	for _, personality := range []struct {
		name     string
		make     func() *cardtest.Card
		alg      piv.Algorithm
		commands []administrative
	}{
		{"standard", func() *cardtest.Card { return cardtest.PIV() }, piv.TripleDES, administratives()},
		{"YubiKey", func() *cardtest.Card { return yubikey("5.7.1") }, piv.AES192, append(administratives(), yubicoAdministratives()...)},
	} {
		for _, it := range personality.commands {
			for _, who := range conditions {
				t.Run(personality.name+", "+it.name+" by "+who.name, func(t *testing.T) {
					soft := personality.make().Put("9D", testkeys.RSA(2048, 0), nil)
					err := card.New("test", soft).Do(t.Context(), func(tx *card.Tx) error {
						who.prove(t, tx, personality.alg)
						_, err := tx.Command(it.command)
						return err
					})
					switch {
					case it.key && !who.key, it.pin && !who.pin:
						assert.ErrorIs(t, err, card.StatusNotPermitted)
					case it.refusal != 0:
						assert.ErrorIs(t, err, it.refusal)
					default:
						assert.NoError(t, err)
					}
					if it.name != "SET PIN RETRIES" {
						assert.Equal(t, 3, soft.RetriesLeft())
					}
					assert.Zero(t, soft.Spent())
				})
			}
		}
	}
}

// The client gets each command done with the management key alone, whoever else
// is there; else the error says what is wrong, and nothing has changed.
func TestAccessByTheClient(t *testing.T) {
	private := cardtest.Key(cardtest.P256, 0)
	for _, it := range []struct {
		name string
		do   func(context.Context, *piv.Admin) error
	}{
		{"put object", func(ctx context.Context, a *piv.Admin) error {
			return a.PutObject(ctx, piv.ObjectKeyHistory, tlv(0xC1, 0))
		}},
		{"put certificate", func(ctx context.Context, a *piv.Admin) error { return a.PutCertificate(ctx, 0x9A, anyCertificate()) }},
		{"generate", func(ctx context.Context, a *piv.Admin) error {
			_, err := a.Generate(ctx, piv.Authentication, piv.P384, nil)
			return err
		}},
		{"import", func(ctx context.Context, a *piv.Admin) error { return a.Import(ctx, 0x9A, testkeys.Ed25519(), nil) }},
		{"set management key", func(ctx context.Context, a *piv.Admin) error {
			return a.SetManagementKey(ctx, managementKey(t, piv.AES128, make([]byte, 16)), 0)
		}},
		{"set retries", func(ctx context.Context, a *piv.Admin) error {
			return a.SetRetries(ctx, 3, 3, card.FixedPIN(cardtest.PIN))
		}},
		{"move key", func(ctx context.Context, a *piv.Admin) error { return a.MoveKey(ctx, 0x9A, 0x9C) }},
		{"delete key", func(ctx context.Context, a *piv.Admin) error { return a.DeleteKey(ctx, 0x9A) }},
	} {
		for _, who := range conditions {
			t.Run(it.name+" by "+who.name, func(t *testing.T) {
				soft := yubikey("5.7.1").Put("9A", private, nil)
				p := open(t, soft)
				if who.pin {
					key, err := p.Key(t.Context(), piv.Authentication, private.Public(), card.FixedPIN(cardtest.PIN))
					require.NoError(t, err)
					defer key.Close()
				}
				var given piv.ManagementKey
				switch {
				case who.key:
					given = managementKey(t, piv.AES192, customary())
				case who.triedKeys:
					given = managementKey(t, piv.AES192, bytes.Repeat([]byte{7}, 24))
				}
				err := it.do(t.Context(), p.Admin(given))
				if who.key {
					assert.NoError(t, err)
					assert.Equal(t, 1, soft.Writes())
				} else {
					assert.ErrorIs(t, err, piv.ErrManagementKey)
					assert.Zero(t, soft.Writes())
				}
				assert.Equal(t, 3, soft.RetriesLeft())
				assert.Zero(t, soft.Spent())
			})
		}
	}
}

// Over the contactless interface there is no administration.
func TestAdminOfAContactlessCard(t *testing.T) {
	soft := cardtest.PIV(cardtest.PIVContactless)
	err := adminOf(t, open(t, soft), piv.TripleDES).PutObject(t.Context(), piv.ObjectKeyHistory, tlv(0xC1, 0))
	assert.ErrorIs(t, err, card.StatusNotPermitted)
	assert.NotErrorIs(t, err, piv.ErrManagementKey, "the key may be right")
}
