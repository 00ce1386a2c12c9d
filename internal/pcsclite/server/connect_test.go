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

func TestConnectAsked(t *testing.T) {
	tests := []struct {
		name             string
		reader           string
		share, protocols uint32
		want             error
		protocol         uint32
	}{
		{"shared", "R", pcsclite.ShareShared, anyProtocol, nil, pcsclite.ProtocolT1},
		{"exclusive", "R", pcsclite.ShareExclusive, pcsclite.ProtocolT1, nil, pcsclite.ProtocolT1},
		{"any protocol, the old way", "R", pcsclite.ShareShared, pcsclite.ProtocolAny, nil, pcsclite.ProtocolT1},
		{"raw", "R", pcsclite.ShareShared, pcsclite.ProtocolRaw, nil, pcsclite.ProtocolT1},
		{"protocol that the card does not speak", "R", pcsclite.ShareShared, pcsclite.ProtocolT0, driver.ProtoMismatch, 0},
		{"no protocol", "R", pcsclite.ShareShared, 0, driver.ProtoMismatch, 0},
		{"no such reader", "Q", pcsclite.ShareShared, anyProtocol, driver.UnknownReader, 0},
		{"no card", "empty", pcsclite.ShareShared, anyProtocol, driver.NoSmartcard, 0},
		{"no such share mode", "R", 4, anyProtocol, driver.InvalidParameter, 0},
		{"direct, a card in it", "R", pcsclite.ShareDirect, 0, nil, 0},
		{"direct, no card in it", "empty", pcsclite.ShareDirect, 0, nil, 0},
		{"direct, no such reader", "Q", pcsclite.ShareDirect, 0, driver.UnknownReader, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			set := reader.New("R", "empty")
			require.NoError(t, set.Insert("R", onlyT1{}))
			p := hello(t, serve(t, &server.Server{Readers: set}), 4)
			m := p.tryConnect(tt.reader, tt.share, tt.protocols)
			assert.Equal(t, tt.want, pcsclite.Errno(m.Result))
			assert.Equal(t, tt.protocol, m.Protocol)
			assert.Equal(t, tt.want == nil, m.Card != 0)
		})
	}
}

// onlyT1 is a card that offers T=1 alone.
type onlyT1 struct{}

func (onlyT1) ATR() []byte              { return []byte{0x3B, 0x80, 0x01, 0x81} }
func (onlyT1) Reset()                   {}
func (onlyT1) Transmit(_ []byte) []byte { return []byte{0x90, 0} }

func TestConnectNeedsTheContextOfTheConnection(t *testing.T) {
	set, _ := one(t)
	path := serve(t, &server.Server{Readers: set})
	p := dial(t, path)
	m := p.tryConnect("R", pcsclite.ShareShared, anyProtocol)
	assert.Equal(t, driver.InvalidHandle, pcsclite.Errno(m.Result))
	p.context = hello(t, path, 4).context
	m = p.tryConnect("R", pcsclite.ShareShared, anyProtocol)
	assert.Equal(t, driver.InvalidHandle, pcsclite.Errno(m.Result))
}

func TestExclusiveMeansAlone(t *testing.T) {
	set, _ := one(t)
	path := serve(t, &server.Server{Readers: set})
	p, q := hello(t, path, 4), hello(t, path, 4)
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

func TestDirectConnectionBecomesOneToTheCard(t *testing.T) {
	set, card := one(t)
	p := hello(t, serve(t, &server.Server{Readers: set}), 4)
	h := p.tryConnect("R", pcsclite.ShareDirect, 0).Card
	require.NotZero(t, h)
	assert.NoError(t, p.status(h))
	assert.NoError(t, p.begin(h))
	assert.NoError(t, p.finish(h, pcsclite.Reset))
	_, err := p.count(h)
	assert.Equal(t, driver.ProtoMismatch, err)
	assert.EqualValues(t, 1, card.resets.Load(), "the one of the insertion")

	still := pcsclite.Reconnect{Card: h, Share: pcsclite.ShareDirect}
	p.call(pcsclite.CmdReconnect, &still)
	assert.Zero(t, still.Result)

	m := pcsclite.Reconnect{Card: h, Share: pcsclite.ShareShared, Protocols: anyProtocol}
	p.call(pcsclite.CmdReconnect, &m)
	require.Zero(t, m.Result)
	assert.EqualValues(t, pcsclite.ProtocolT1, m.Protocol)
	n, err := p.count(h)
	assert.NoError(t, err)
	assert.Equal(t, 1, n)
	assert.NoError(t, p.disconnect(h, pcsclite.Leave))
}

func TestResetsAreToldToOthers(t *testing.T) {
	reset := map[string]func(p *program, h, disposition uint32){
		"by disconnect": func(p *program, h, d uint32) { assert.NoError(t, p.disconnect(h, d)) },
		"by end": func(p *program, h, d uint32) {
			assert.NoError(t, p.begin(h))
			assert.NoError(t, p.finish(h, d))
		},
		"by reconnect": func(p *program, h, d uint32) {
			m := pcsclite.Reconnect{Card: h, Share: pcsclite.ShareShared, Protocols: anyProtocol, Disposition: d}
			p.call(pcsclite.CmdReconnect, &m)
			assert.Zero(t, m.Result)
		},
	}
	dispositions := map[string]uint32{
		"reset": pcsclite.Reset, "unpower": pcsclite.Unpower, "leave": pcsclite.Leave, "eject": pcsclite.Eject,
	}
	for how, do := range reset {
		for what, d := range dispositions {
			t.Run(what+" "+how, func(t *testing.T) {
				set, _ := one(t)
				path := serve(t, &server.Server{Readers: set})
				p, q := hello(t, path, 4), hello(t, path, 4)
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

func TestTransactionsOfOthersAreViolated(t *testing.T) {
	set, _ := one(t)
	path := serve(t, &server.Server{Readers: set})
	p, q := hello(t, path, 4), hello(t, path, 4)
	h, other := p.connect(), q.connect()
	require.NoError(t, p.begin(h))
	assert.Equal(t, driver.SharingViolation, q.begin(other))
	assert.Equal(t, driver.SharingViolation, q.status(other))
	_, err := q.count(other)
	assert.Equal(t, driver.SharingViolation, err)
	m := pcsclite.Reconnect{Card: other, Share: pcsclite.ShareShared, Protocols: anyProtocol}
	q.call(pcsclite.CmdReconnect, &m)
	assert.Equal(t, driver.SharingViolation, pcsclite.Errno(m.Result))
	assert.Equal(t, driver.NotTransacted, q.finish(other, pcsclite.Leave))

	require.NoError(t, p.finish(h, pcsclite.Leave))
	assert.NoError(t, q.begin(other))
}

func TestUnusedCardLosesPower(t *testing.T) {
	set, card := reader.New("R"), new(counter)
	require.NoError(t, set.Insert("R", card))
	p := hello(t, serve(t, &server.Server{Readers: set}), 4)
	h := p.connect()
	n, err := p.count(h)
	require.NoError(t, err)
	require.Equal(t, 1, n)
	require.NoError(t, p.disconnect(h, pcsclite.Leave))
	n, err = p.count(p.connect())
	require.NoError(t, err)
	assert.Equal(t, 1, n, "what the card knew is gone")
}

func TestRemovedCardIsToldUntilReconnect(t *testing.T) {
	set, _ := one(t)
	p := hello(t, serve(t, &server.Server{Readers: set}), 4)
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
