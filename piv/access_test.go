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

// A role is what a program has authenticated with (SP 800-73-4 part 2, table 2).
type role struct {
	name                string
	pin, key, triedKeys bool
}

var roles = []role{
	{name: "none"},
	{name: "holder, by the PIN", pin: true},
	{name: "administrator, by the management key", key: true},
	{name: "both", pin: true, key: true},
	{name: "none, after a wrong management key", triedKeys: true},
	{name: "holder, after a wrong management key", pin: true, triedKeys: true},
}

// authenticate authenticates for the role in a transaction.
func (c role) authenticate(t *testing.T, tx *card.Tx, alg piv.Algorithm) {
	_, err := tx.Select(fullAID)
	require.NoError(t, err)
	if c.pin {
		_, err := tx.Command(card.Command{INS: 0x20, P2: 0x80, Data: []byte(cardtest.PIN + "\xFF\xFF")})
		require.NoError(t, err)
	}
	if c.key {
		require.NoError(t, piv.Authenticate(managementKey(t, alg, defaultManagementKey()), tx))
	}
	if c.triedKeys {
		require.ErrorIs(t, piv.Authenticate(managementKey(t, alg, make([]byte, 24)), tx), piv.ErrManagementKey)
	}
}

// An adminCommand is an administrative command and the authentication that it needs.
type adminCommand struct {
	name     string
	command  card.Command
	pin, key bool
	refusal  card.Status // in every role; 0 if the command is accepted
}

func adminCommands() []adminCommand {
	oldPIN, puk, newPIN := []byte(cardtest.PIN+"\xFF\xFF"), []byte(cardtest.PUK), []byte("654321\xFF\xFF")
	return []adminCommand{
		{name: "PUT DATA", key: true, command: card.Command{INS: 0xDB, P1: 0x3F, P2: 0xFF, Data: join(tlv(0x5C, 0x5F, 0xC1, 0x0C), tlv(0x53, tlv(0xC1, 1)...))}},
		{name: "PUT DATA of the discovery object", key: true, command: card.Command{INS: 0xDB, P1: 0x3F, P2: 0xFF, Data: tlv(0x7E, join(tlv(0x4F, fullAID...), tlv(0x5F2F, 0x40, 0))...)}},
		{name: "GENERATE ASYMMETRIC KEY PAIR", key: true, command: card.Command{INS: 0x47, P2: 0x9A, Data: tlv(0xAC, tlv(0x80, 0x11)...), Ne: 256}},
		{name: "CHANGE REFERENCE DATA of the PIN", command: card.Command{INS: 0x24, P2: 0x80, Data: join(oldPIN, newPIN)}},
		{name: "CHANGE REFERENCE DATA of the PUK", command: card.Command{INS: 0x24, P2: 0x81, Data: join(puk, puk)}},
		{name: "RESET RETRY COUNTER", command: card.Command{INS: 0x2C, P2: 0x80, Data: join(puk, newPIN)}},
	}
}

func yubicoAdminCommands() []adminCommand {
	return []adminCommand{
		{name: "IMPORT ASYMMETRIC KEY", key: true, command: card.Command{INS: 0xFE, P1: 0xE0, P2: 0x9A, Data: tlv(0x07, make([]byte, 32)...)}},
		{name: "SET MANAGEMENT KEY", key: true, command: card.Command{INS: 0xFF, P1: 0xFF, P2: 0xFF, Data: join([]byte{0x0A}, tlv(0x9B, make([]byte, 24)...))}},
		{name: "SET PIN RETRIES", key: true, pin: true, command: card.Command{INS: 0xFA, P1: 5, P2: 5}},
		{name: "MOVE KEY", key: true, command: card.Command{INS: 0xF6, P1: 0x9C, P2: 0x9D}},
		{name: "DELETE KEY", key: true, command: card.Command{INS: 0xF6, P1: 0xFF, P2: 0x9D}},
		{name: "RESET", command: card.Command{INS: 0xFB}, refusal: card.StatusConditionsNotMet},
		{name: "ATTEST of an imported key", command: card.Command{INS: 0xF9, P1: 0x9D, Ne: 256}, refusal: card.StatusWrongData},
		{name: "GET METADATA", command: card.Command{INS: 0xF7, P2: 0x9B, Ne: 256}},
		{name: "GET VERSION", command: card.Command{INS: 0xFD, Ne: 256}},
		{name: "GET SERIAL", command: card.Command{INS: 0xF8, Ne: 256}},
	}
}

// The software card has the access rules of the standard.
func TestAccessRules(t *testing.T) {
	for _, fixture := range []struct {
		name     string
		make     func() *cardtest.Card
		alg      piv.Algorithm
		commands []adminCommand
	}{
		{"standard", func() *cardtest.Card { return cardtest.PIV() }, piv.TripleDES, adminCommands()},
		{"YubiKey", func() *cardtest.Card { return yubikey("5.7.1") }, piv.AES192, append(adminCommands(), yubicoAdminCommands()...)},
	} {
		for _, command := range fixture.commands {
			for _, who := range roles {
				t.Run(fixture.name+", "+command.name+" by "+who.name, func(t *testing.T) {
					soft := fixture.make().Put("9D", testkeys.RSA(2048, 0), nil)
					err := card.New("test", soft).Do(t.Context(), func(tx *card.Tx) error {
						who.authenticate(t, tx, fixture.alg)
						_, err := tx.Command(command.command)
						return err
					})
					switch {
					case command.key && !who.key, command.pin && !who.pin:
						assert.ErrorIs(t, err, card.StatusNotPermitted)
					case command.refusal != 0:
						assert.ErrorIs(t, err, command.refusal)
					default:
						assert.NoError(t, err)
					}
					if command.name != "SET PIN RETRIES" {
						assert.Equal(t, 3, soft.RetriesLeft())
					}
					assert.Zero(t, soft.Spent())
				})
			}
		}
	}
}

// An Admin needs the management key and nothing else. Without it nothing is written.
func TestAdminAccess(t *testing.T) {
	private := cardtest.Key(cardtest.P256, 0)
	for _, op := range []struct {
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
		for _, who := range roles {
			t.Run(op.name+" by "+who.name, func(t *testing.T) {
				soft := yubikey("5.7.1").Put("9A", private, nil)
				p := open(t, soft)
				if who.pin {
					open, err := p.Key(t.Context(), piv.Authentication, private.Public(), card.FixedPIN(cardtest.PIN))
					require.NoError(t, err)
					defer open.Close()
				}
				var key piv.ManagementKey
				switch {
				case who.key:
					key = managementKey(t, piv.AES192, defaultManagementKey())
				case who.triedKeys:
					key = managementKey(t, piv.AES192, bytes.Repeat([]byte{7}, 24))
				}
				err := op.do(t.Context(), p.Admin(key))
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

func TestAdminOverContactless(t *testing.T) {
	soft := cardtest.PIV(cardtest.PIVContactless)
	err := adminOf(t, open(t, soft), piv.TripleDES).PutObject(t.Context(), piv.ObjectKeyHistory, tlv(0xC1, 0))
	assert.ErrorIs(t, err, card.StatusNotPermitted)
	assert.NotErrorIs(t, err, piv.ErrManagementKey, "the key was not compared")
}
