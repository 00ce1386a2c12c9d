package pkinit

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/jcmturner/gokrb5/v8/credentials"
	"github.com/jcmturner/gokrb5/v8/types"
)

// A TGT is a ticket-granting ticket with its session key. It is safe for concurrent
// use. The key is not printed by package fmt, and not marshaled.
type TGT struct {
	client  realmName
	server  realmName
	etype   int32
	flags   uint32
	times   Times
	skew    time.Duration
	chain   []*x509.Certificate
	network *network
	now     func() time.Time

	mu     sync.Mutex
	ticket []byte
	key    []byte // nil: closed
}

// Times are the times of a ticket, by the clock of the KDC.
type Times struct {
	Auth  time.Time // of the sign-in
	Start time.Time
	End   time.Time
	Renew time.Time // until when the ticket can be renewed; zero: not at all
}

func newTGT(rep reply, enc encPart, skew time.Duration, chain []*x509.Certificate, n *network, now func() time.Time) *TGT {
	t := &TGT{
		client: rep.client, server: enc.server, etype: enc.etype, flags: enc.flags,
		times: Times{Auth: enc.auth, Start: enc.start, End: enc.end, Renew: enc.renew},
		skew:  skew, chain: chain, network: n, now: now,
		ticket: slices.Clone(rep.ticket.raw), key: slices.Clone(enc.key),
	}
	if t.times.Start.IsZero() {
		t.times.Start = enc.auth
	}
	if enc.flags&flagRenewable == 0 {
		t.times.Renew = time.Time{}
	}
	return t
}

// Client returns the name of the account, such as alice@EXAMPLE.COM. It is that of
// the KDC if the request had an enterprise name.
func (t *TGT) Client() string { return t.client.String() }

// Realm returns the realm of the account.
func (t *TGT) Realm() string { return t.client.realm }

// Times returns the times of the ticket.
func (t *TGT) Times() Times { return t.times }

// Skew returns how far the clock of the KDC is ahead of the one of this machine, or
// 0 if the difference is under two seconds.
func (t *TGT) Skew() time.Duration { return t.skew }

// KDC returns the verified chain of the KDC that issued the ticket, leaf first.
func (t *TGT) KDC() []*x509.Certificate { return slices.Clone(t.chain) }

// Format prints the user and the end of the ticket, for every verb.
func (t *TGT) Format(s fmt.State, _ rune) {
	fmt.Fprintf(s, "ticket of %s until %s", t.client, t.times.End.Format(time.RFC3339))
}

// Close zeroes the session key. Copies that [TGT.CCache] and [TGT.WriteCache] made
// stay usable.
func (t *TGT) Close() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	clear(t.key)
	t.key, t.ticket = nil, nil
	return nil
}

// secrets returns copies of ticket and session key. The caller clears the key.
func (t *TGT) secrets() (ticket, key []byte, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.key == nil {
		return nil, nil, ErrClosed
	}
	return slices.Clone(t.ticket), slices.Clone(t.key), nil
}

// CCache returns a copy of the ticket for client.NewFromCCache of
// github.com/jcmturner/gokrb5/v8, which gets service tickets. It has a copy of the
// session key, which Close does not zero.
func (t *TGT) CCache() (*credentials.CCache, error) {
	ticket, key, err := t.secrets()
	if err != nil {
		return nil, describe("credential cache", err)
	}
	c := &credentials.CCache{Version: 4}
	c.DefaultPrincipal.Realm = t.client.realm
	c.DefaultPrincipal.PrincipalName = types.PrincipalName{NameType: t.client.nameType, NameString: slices.Clone(t.client.components)}
	credential := &credentials.Credential{
		Client:      c.DefaultPrincipal,
		Key:         types.EncryptionKey{KeyType: t.etype, KeyValue: key},
		AuthTime:    t.times.Auth,
		StartTime:   t.times.Start,
		EndTime:     t.times.End,
		RenewTill:   t.times.Renew,
		TicketFlags: types.NewKrbFlags(),
		Ticket:      ticket,
	}
	copy(credential.TicketFlags.Bytes, flagBytes(t.flags))
	credential.Server.Realm = t.server.realm
	credential.Server.PrincipalName = types.PrincipalName{NameType: t.server.nameType, NameString: slices.Clone(t.server.components)}
	c.Credentials = []*credentials.Credential{credential}
	return c, nil
}

var errRenew = errors.New("ticket cannot be renewed")

// Renew returns a new ticket with a later end. It needs no card, but a ticket that
// is still valid and can be renewed. The caller closes both.
func (t *TGT) Renew(ctx context.Context) (*TGT, error) {
	renewed, err := t.renew(ctx)
	if err != nil {
		return nil, describe("renew", err)
	}
	return renewed, nil
}

func (t *TGT) renew(ctx context.Context) (*TGT, error) {
	ticket, key, err := t.secrets()
	if err != nil {
		return nil, err
	}
	defer clear(key)
	now := t.now().Add(t.skew)
	if !now.Before(t.times.Renew) {
		return nil, errRenew
	}
	body := requestBody{
		options: optionRenew | t.flags&(flagForwardable|flagRenewable),
		realm:   t.server.realm,
		server:  t.server.principal,
		till:    t.times.Renew,
		renew:   t.times.Renew,
		nonce:   newNonce(),
	}
	request, err := t.encodeTGSReq(body.encode(), ticket, key, now)
	if err != nil {
		return nil, err
	}
	b, err := t.network.send(ctx, t.server.realm, request)
	if err != nil {
		return nil, err
	}
	if b[0] == byte(appError) {
		e, err := parseError(b)
		if err != nil {
			return nil, malformed("error message", err)
		}
		return nil, &Error{Code: e.code, Text: e.text, Status: e.status()}
	}
	rep, err := parseReply(b, appTGSRep)
	if err != nil {
		return nil, malformed("message", err)
	}
	plaintext, err := rep.enc.decrypt(key, usageTGSRep)
	if err != nil {
		return nil, fmt.Errorf("%w: decrypt: %w", ErrMismatch, err)
	}
	defer clear(plaintext)
	enc, err := parseEncPart(plaintext)
	if err != nil {
		return nil, malformed("encrypted part", err)
	}
	if rep.client.realm != t.client.realm || !rep.client.equal(t.client.principal) {
		return nil, fmt.Errorf("%w: user %.128q, not %.128q", ErrMismatch, rep.client, t.client)
	}
	if err := checkEncPart(rep, enc, t.server, body, now); err != nil {
		return nil, err
	}
	return newTGT(rep, enc, t.skew, t.chain, t.network, t.now), nil
}

// encodeTGSReq encodes a TGS-REQ with the ticket (RFC 4120, 5.4.1 and 5.5.1).
func (t *TGT) encodeTGSReq(body, ticket, key []byte, now time.Time) ([]byte, error) {
	mac, err := checksum(t.etype, key, body, usageTGSReqChecksum)
	if err != nil {
		return nil, err
	}
	authenticator := tlv(appAuth, sequence(
		field(0, integer(protocolVersion)),
		field(1, text(t.client.realm)),
		field(2, t.client.principal.encode()),
		field(3, sequence(
			field(0, integer(int64(encryptionTypes[t.etype].checksumType))),
			field(1, octets(mac)),
		)),
		field(4, integer(int64(now.Nanosecond()/1000))),
		field(5, timestamp(now)),
	))
	cipher, err := encrypt(t.etype, key, authenticator, usageTGSReqAuth)
	if err != nil {
		return nil, err
	}
	apReq := tlv(appAPReq, sequence(
		field(0, integer(protocolVersion)),
		field(1, integer(int64(appAPReq&0x1F))),
		field(2, flags(0)),
		field(3, ticket),
		field(4, encryptedData{t.etype, cipher}.encode()),
	))
	return encodeRequest(appTGSReq, []paData{{paTGSReq, apReq}}, body), nil
}
