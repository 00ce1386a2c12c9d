package piv_test

import (
	"crypto"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/smartlogon/smartlogon/card"
	"github.com/smartlogon/smartlogon/card/cardtest"
	"github.com/smartlogon/smartlogon/piv"
)

// An error names the operation with the slot, the reader, and the cause, each once. The
// reader and the command stand in place of "...".
func TestErrorTexts(t *testing.T) {
	ctx := t.Context()
	private := cardtest.Key(cardtest.P256, 0)
	both := func(options ...cardtest.Option) *cardtest.Card {
		return cardtest.PIV(options...).Put("9A", private, anyCertificate()).Put("9C", private, nil)
	}
	sign := func(s piv.Slot, public crypto.PublicKey, pin string) func(*piv.Card) error {
		return func(p *piv.Card) error {
			key, err := p.Key(ctx, s, public, card.FixedPIN(pin))
			if err != nil {
				return err
			}
			defer key.Close()
			_, err = key.Sign(nil, digest(crypto.SHA256), crypto.SHA256)
			return err
		}
	}
	fault := func(n int, what cardtest.Mishap) func(*cardtest.Readers) {
		return func(r *cardtest.Readers) { r.Fault(reader, n, cardtest.Fault{What: what}) }
	}
	for name, test := range map[string]struct {
		card    *cardtest.Card
		disturb func(*cardtest.Readers)
		use     func(*piv.Card) error
		want    string
	}{
		"wrong PIN, when opened": {both(), nil, sign(piv.Authentication, private.Public(), "000000"),
			`piv: open key 9A (PIV Authentication): ... PIN is wrong (retries left: 2)`},
		"wrong PIN, when used": {both(), nil, sign(piv.Signature, private.Public(), "000000"),
			`piv: sign with 9C (Digital Signature): ... PIN is wrong (retries left: 2)`},
		"blocked PIN": {both(cardtest.RetriesLeft(0)), nil, sign(piv.Authentication, private.Public(), cardtest.PIN),
			`piv: open key 9A (PIV Authentication): ... PIN is blocked: no retries left`},
		"removed while opened": {both(), fault(2, cardtest.Removal), sign(piv.Authentication, private.Public(), cardtest.PIN),
			`piv: open key 9A (PIV Authentication): ... card was removed (80100069)`},
		"removed at VERIFY": {both(), fault(7, cardtest.Removal), sign(piv.Authentication, private.Public(), cardtest.PIN),
			`piv: open key 9A (PIV Authentication): ... card was removed (80100069) (retries left: 2)`},
		"removed while used": {both(), fault(9, cardtest.Removal), sign(piv.Authentication, private.Public(), cardtest.PIN),
			`piv: sign with 9A (PIV Authentication): ... card was removed (80100069)`},
		"mismatch": {both(), nil, sign(piv.Authentication, cardtest.Key(cardtest.P256, 1).Public(), cardtest.PIN),
			`piv: sign with 9A (PIV Authentication): key does not match the public key of the certificate`},
		"other algorithm": {both(), nil, sign(piv.Authentication, cardtest.Key(cardtest.RSA2048, 1).Public(), cardtest.PIN),
			`piv: sign with 9A (PIV Authentication): ... incorrect parameters P1-P2 (6A86)`},
		"not a PIV card": {cardtest.PIV(cardtest.PIVMissing), nil, sign(piv.Authentication, private.Public(), cardtest.PIN),
			`piv: open key 9A (PIV Authentication): card has no PIV application: ... file or application not found (6A82)`},
		"another certificate": {both(), nil, func(p *piv.Card) error {
			_, err := p.KeyFor(ctx, &piv.Certificate{Slot: piv.Authentication, Raw: certificateFor(private, "a@example.com")}, noPIN(t))
			return err
		}, `piv: open key 9A (PIV Authentication): ... card is not the one that was listed: the slot holds another certificate`},
		"no certificate": {both(), nil, func(p *piv.Card) error {
			_, err := p.KeyFor(ctx, &piv.Certificate{Slot: piv.Signature, Raw: anyCertificate()}, noPIN(t))
			return err
		}, `piv: open key 9C (Digital Signature): card is not the one that was listed: certificate: not on the card: ... file or application not found (6A82)`},
		"missing certificate": {both(), nil, func(p *piv.Card) error {
			_, err := p.Certificate(ctx, piv.KeyManagement)
			return err
		}, `piv: certificate 9D (Key Management), object 5FC10B: not on the card: ... file or application not found (6A82)`},
		"malformed certificate": {both().PutObject(0x5FC105, tlv(0x70)[:1]), nil, func(p *piv.Card) error {
			_, err := p.Certificate(ctx, piv.Authentication)
			return err
		}, `piv: certificate 9A (PIV Authentication), object 5FC105: ... malformed data from the card: byte 0: length is missing`},
		"not a YubiKey": {both(), nil, func(p *piv.Card) error {
			_, err := p.YubiKey(ctx)
			return err
		}, `piv: open YubiKey: ... unsupported operation: the card is not a YubiKey`},
		"wrong management key": {both(), nil, func(p *piv.Card) error {
			return p.Admin(managementKey(t, piv.TripleDES, make([]byte, 24))).Check(ctx)
		}, `piv: check management key: management key is not that of the card: ... security status not satisfied (6982)`},
		"management key of another algorithm": {both(), nil, func(p *piv.Card) error {
			return p.Admin(managementKey(t, piv.AES128, make([]byte, 16))).PutCertificate(ctx, piv.Authentication, anyCertificate())
		}, `piv: store certificate 9A (PIV Authentication): management key is not that of the card: the card does not accept AES-128: ... incorrect parameters P1-P2 (6A86)`},
		"interrupted": {both(), fault(6, cardtest.NoResponse), func(p *piv.Card) error {
			return adminOf(t, p, piv.TripleDES).PutCertificate(ctx, piv.KeyManagement, anyCertificate())
		}, `piv: store certificate 9D (Key Management): interrupted: ... card sent no response (80100016); the card has not changed`},
		"PIN over the contactless interface": {both(cardtest.PIVContactless, cardtest.ATR([]byte{0x3B, 0x80, 0x80, 0x01, 0x01})), nil,
			sign(piv.Authentication, private.Public(), cardtest.PIN), `piv: open key 9A (PIV Authentication): card does not permit this over its contactless interface: ... security status not satisfied (6982)`},
	} {
		t.Run(name, func(t *testing.T) {
			readers := cardtest.NewReaders(test.card)
			if test.disturb != nil {
				test.disturb(readers)
			}
			err := test.use(openIn(t, readers))
			require.Error(t, err)
			text, want := err.Error(), strings.Split(test.want, "...")
			assert.Equal(t, len(want)-1, strings.Count(text, reader), text)
			for _, part := range want {
				assert.Equal(t, 1, strings.Count(text, part), text)
			}
			assert.True(t, strings.HasPrefix(text, want[0]), text)
			for _, s := range slots() {
				assert.LessOrEqual(t, strings.Count(text, s.String()), 1, text)
			}
		})
	}
}
