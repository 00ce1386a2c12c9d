package server_test

import (
	"testing"

	"github.com/smartlogon/smartlogon/card/driver"
	"github.com/smartlogon/smartlogon/internal/pcsclite"
	"github.com/smartlogon/smartlogon/internal/pcsclite/server"
	"github.com/smartlogon/smartlogon/internal/softcard/reader"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const anyProtocol = pcsclite.ProtocolT0 | pcsclite.ProtocolT1

func TestConnect(t *testing.T) {
	tests := []struct {
		name             string
		reader           string
		share, protocols uint32
		want             error
		protocol         uint32
	}{
		{"shared", "R", pcsclite.ShareShared, anyProtocol, nil, pcsclite.ProtocolT1},
		{"exclusive", "R", pcsclite.ShareExclusive, pcsclite.ProtocolT1, nil, pcsclite.ProtocolT1},
		{"any protocol, obsolete value", "R", pcsclite.ShareShared, pcsclite.ProtocolAny, nil, pcsclite.ProtocolT1},
		{"raw", "R", pcsclite.ShareShared, pcsclite.ProtocolRaw, nil, pcsclite.ProtocolT1},
		{"protocol not of the card", "R", pcsclite.ShareShared, pcsclite.ProtocolT0, driver.ProtoMismatch, 0},
		{"no protocol", "R", pcsclite.ShareShared, 0, driver.ProtoMismatch, 0},
		{"unknown reader", "Q", pcsclite.ShareShared, anyProtocol, driver.UnknownReader, 0},
		{"no card", "empty", pcsclite.ShareShared, anyProtocol, driver.NoSmartcard, 0},
		{"unknown share mode", "R", 4, anyProtocol, driver.InvalidParameter, 0},
		{"direct, card present", "R", pcsclite.ShareDirect, 0, nil, 0},
		{"direct, no card", "empty", pcsclite.ShareDirect, 0, nil, 0},
		{"direct, unknown reader", "Q", pcsclite.ShareDirect, 0, driver.UnknownReader, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			set := reader.New("R", "empty")
			require.NoError(t, set.Insert("R", cardT1{}))
			p := establish(t, serve(t, &server.Server{Readers: set}), 4)
			m := p.tryConnect(tt.reader, tt.share, tt.protocols)
			assert.Equal(t, tt.want, pcsclite.Errno(m.Result))
			assert.Equal(t, tt.protocol, m.Protocol)
			assert.Equal(t, tt.want == nil, m.Card != 0)
		})
	}
}

// cardT1 is a card that supports T=1 only.
type cardT1 struct{}

func (cardT1) ATR() []byte              { return []byte{0x3B, 0x80, 0x01, 0x81} }
func (cardT1) Reset()                   {}
func (cardT1) Transmit(_ []byte) []byte { return []byte{0x90, 0} }

func TestConnectRequiresContext(t *testing.T) {
	set, _ := newSet(t)
	path := serve(t, &server.Server{Readers: set})
	p := dial(t, path)
	m := p.tryConnect("R", pcsclite.ShareShared, anyProtocol)
	assert.Equal(t, driver.InvalidHandle, pcsclite.Errno(m.Result))
	p.context = establish(t, path, 4).context
	m = p.tryConnect("R", pcsclite.ShareShared, anyProtocol)
	assert.Equal(t, driver.InvalidHandle, pcsclite.Errno(m.Result))
}

func TestExclusiveConnection(t *testing.T) {
	set, _ := newSet(t)
	path := serve(t, &server.Server{Readers: set})
	p, q := establish(t, path, 4), establish(t, path, 4)
	m := p.tryConnect("R", pcsclite.ShareExclusive, anyProtocol)
	require.Zero(t, m.Result)
	for _, share := range []uint32{pcsclite.ShareShared, pcsclite.ShareExclusive, pcsclite.ShareDirect} {
		m := q.tryConnect("R", share, anyProtocol)
		assert.Equal(t, driver.SharingViolation, pcsclite.Errno(m.Result))
	}
	q.send(pcsclite.Request{Command: pcsclite.CmdReaders})
	assert.EqualValues(t, pcsclite.SharingExclusive, q.table(16)[0].Sharing)

	shared := pcsclite.Reconnect{Card: m.Card, Share: pcsclite.ShareShared, Protocols: anyProtocol}
	p.call(pcsclite.CmdReconnect, &shared)
	require.Zero(t, shared.Result)
	q.connect()
}

func TestReconnectTurnsDirectIntoShared(t *testing.T) {
	set, card := newSet(t)
	p := establish(t, serve(t, &server.Server{Readers: set}), 4)
	h := p.tryConnect("R", pcsclite.ShareDirect, 0).Card
	require.NotZero(t, h)
	assert.NoError(t, p.status(h))
	assert.NoError(t, p.begin(h))
	assert.NoError(t, p.end(h, pcsclite.Reset))
	_, err := p.count(h)
	assert.Equal(t, driver.ProtoMismatch, err)
	assert.EqualValues(t, 1, card.resets.Load(), "resets since insertion")

	direct := pcsclite.Reconnect{Card: h, Share: pcsclite.ShareDirect}
	p.call(pcsclite.CmdReconnect, &direct)
	assert.Zero(t, direct.Result)

	m := pcsclite.Reconnect{Card: h, Share: pcsclite.ShareShared, Protocols: anyProtocol}
	p.call(pcsclite.CmdReconnect, &m)
	require.Zero(t, m.Result)
	assert.EqualValues(t, pcsclite.ProtocolT1, m.Protocol)
	n, err := p.count(h)
	assert.NoError(t, err)
	assert.Equal(t, 1, n)
	assert.NoError(t, p.disconnect(h, pcsclite.Leave))
}

func TestResetIsReportedToOthers(t *testing.T) {
	reset := map[string]func(p *program, h, disposition uint32){
		"disconnect": func(p *program, h, d uint32) { assert.NoError(t, p.disconnect(h, d)) },
		"end": func(p *program, h, d uint32) {
			assert.NoError(t, p.begin(h))
			assert.NoError(t, p.end(h, d))
		},
		"reconnect": func(p *program, h, d uint32) {
			m := pcsclite.Reconnect{Card: h, Share: pcsclite.ShareShared, Protocols: anyProtocol, Disposition: d}
			p.call(pcsclite.CmdReconnect, &m)
			assert.Zero(t, m.Result)
		},
	}
	dispositions := map[string]uint32{
		"reset": pcsclite.Reset, "unpower": pcsclite.Unpower, "leave": pcsclite.Leave, "eject": pcsclite.Eject,
	}
	for method, do := range reset {
		for name, d := range dispositions {
			t.Run(name+" by "+method, func(t *testing.T) {
				set, _ := newSet(t)
				path := serve(t, &server.Server{Readers: set})
				p, q := establish(t, path, 4), establish(t, path, 4)
				h, other := p.connect(), q.connect()
				n, err := q.count(other)
				require.NoError(t, err)
				require.Equal(t, 1, n)

				do(p, h, d)
				if d != pcsclite.Reset && d != pcsclite.Unpower {
					n, err = q.count(other)
					assert.NoError(t, err)
					assert.Equal(t, 2, n)
					return
				}
				assert.Equal(t, driver.ResetCard, q.status(other))
				assert.Equal(t, driver.ResetCard, q.begin(other))
				_, err = q.count(other)
				assert.Equal(t, driver.ResetCard, err)
				m := pcsclite.Reconnect{Card: other, Share: pcsclite.ShareShared, Protocols: anyProtocol}
				q.call(pcsclite.CmdReconnect, &m)
				require.Zero(t, m.Result)
				n, err = q.count(other)
				assert.NoError(t, err)
				assert.Equal(t, 1, n)
			})
		}
	}
}

func TestSharingViolationDuringTransaction(t *testing.T) {
	set, _ := newSet(t)
	path := serve(t, &server.Server{Readers: set})
	p, q := establish(t, path, 4), establish(t, path, 4)
	h, other := p.connect(), q.connect()
	require.NoError(t, p.begin(h))
	assert.Equal(t, driver.SharingViolation, q.begin(other))
	assert.Equal(t, driver.SharingViolation, q.status(other))
	_, err := q.count(other)
	assert.Equal(t, driver.SharingViolation, err)
	m := pcsclite.Reconnect{Card: other, Share: pcsclite.ShareShared, Protocols: anyProtocol}
	q.call(pcsclite.CmdReconnect, &m)
	assert.Equal(t, driver.SharingViolation, pcsclite.Errno(m.Result))
	assert.Equal(t, driver.NotTransacted, q.end(other, pcsclite.Leave))

	require.NoError(t, p.end(h, pcsclite.Leave))
	assert.NoError(t, q.begin(other))
}

func TestUnusedCardIsPoweredDown(t *testing.T) {
	set, card := reader.New("R"), new(counter)
	require.NoError(t, set.Insert("R", card))
	p := establish(t, serve(t, &server.Server{Readers: set}), 4)
	h := p.connect()
	n, err := p.count(h)
	require.NoError(t, err)
	require.Equal(t, 1, n)
	require.NoError(t, p.disconnect(h, pcsclite.Leave))
	n, err = p.count(p.connect())
	require.NoError(t, err)
	assert.Equal(t, 1, n, "the card was not powered down")
}

func TestRemovedCardUntilReconnect(t *testing.T) {
	set, _ := newSet(t)
	p := establish(t, serve(t, &server.Server{Readers: set}), 4)
	h := p.connect()
	require.NoError(t, set.Remove("R"))
	assert.Equal(t, driver.RemovedCard, p.status(h))
	m := pcsclite.Reconnect{Card: h, Share: pcsclite.ShareShared, Protocols: anyProtocol}
	p.call(pcsclite.CmdReconnect, &m)
	assert.Equal(t, driver.NoSmartcard, pcsclite.Errno(m.Result))
	require.NoError(t, set.Insert("R", new(counter)))
	assert.Equal(t, driver.RemovedCard, p.status(h))
	p.call(pcsclite.CmdReconnect, &m)
	assert.Zero(t, m.Result)
	assert.NoError(t, p.status(h))
}
