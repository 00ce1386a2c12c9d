package pkinit

import (
	"encoding/binary"
	"slices"
	"strings"
	"time"

	"github.com/smartlogon/smartlogon/internal/ber"
)

const (
	protocolVersion = 5

	typeASRep  = 11
	typeTGSRep = 13
	typeError  = 30

	maxUint32 = 1<<32 - 1
	minInt32  = -1 << 31
	maxInt32  = 1<<31 - 1
)

// Types of names (RFC 4120, 6.2; RFC 6806, 5).
const (
	ntPrincipal  = 1
	ntService    = 2
	ntX500       = 6
	ntEnterprise = 10
)

// A principal is a PrincipalName.
type principal struct {
	nameType   int32
	components []string
}

func ticketGranting(realm string) principal {
	return principal{ntService, []string{"krbtgt", realm}}
}

func (n principal) encode() []byte {
	var parts [][]byte
	for _, c := range n.components {
		parts = append(parts, text(c))
	}
	return sequence(field(0, integer(int64(n.nameType))), field(1, sequence(parts...)))
}

// equal compares names without the type, which is not significant (RFC 4120, 6.2).
func (n principal) equal(o principal) bool { return slices.Equal(n.components, o.components) }

func (n principal) String() string { return strings.Join(n.components, "/") }

func (n realmName) encode() []byte {
	return sequence(field(0, text(n.realm)), field(1, n.principal.encode()))
}

func (n realmName) String() string { return n.principal.String() + "@" + n.realm }

const maxComponents = 16

func (p *parser) principal() (n principal) {
	p.sequence(func(p *parser) {
		p.field(0, func(p *parser) { n.nameType = int32(p.number(minInt32, maxInt32)) })
		p.field(1, func(p *parser) {
			p.sequence(func(p *parser) {
				for p.more() {
					if len(n.components) == maxComponents {
						p.fail("name of more than %d components", maxComponents)
					}
					n.components = append(n.components, p.text())
				}
			})
		})
	})
	return n
}

// A paData is a PA-DATA (RFC 4120, 5.2.7).
type paData struct {
	kind  int32
	value []byte
}

// Types of pre-authentication data (RFC 4556, 3.1.3; RFC 6806, 11; RFC 8070, 4;
// MS-PKCA, 2.2.3).
const (
	paTGSReq      = 1
	paPKASReq     = 16
	paPKASRep     = 17
	paASChecksum  = 132
	paReqEncPARep = 149
	paFreshness   = 150
)

func encodePAData(list []paData) []byte {
	var parts [][]byte
	for _, d := range list {
		parts = append(parts, sequence(field(1, integer(int64(d.kind))), field(2, octets(d.value))))
	}
	return sequence(parts...)
}

// maxPAData limits the entries of a list. KDCs send about ten.
const maxPAData = 64

func (p *parser) paData() (list []paData) {
	p.sequence(func(p *parser) {
		for p.more() {
			if len(list) == maxPAData {
				p.fail("more than %d entries of pre-authentication data", maxPAData)
			}
			var d paData
			p.sequence(func(p *parser) {
				p.field(1, func(p *parser) { d.kind = int32(p.number(minInt32, maxInt32)) })
				p.field(2, func(p *parser) { d.value = p.octets() })
			})
			list = append(list, d)
		}
	})
	return list
}

// find returns the only entry of a type. Two are a fault of the message.
func find(list []paData, kind int32) (value []byte, n int) {
	for _, d := range list {
		if d.kind == kind {
			value = d.value
			n++
		}
	}
	return value, n
}

// KDC options and ticket flags (RFC 4120, 5.4.1 and 5.3; RFC 6806, 3 and 11).
const (
	flagForwardable   = 1 << (31 - 1)
	flagRenewable     = 1 << (31 - 8)
	flagEncPARep      = 1 << (31 - 15)
	optionCanonical   = 1 << (31 - 15)
	optionRenewableOK = 1 << (31 - 27)
	optionRenew       = 1 << (31 - 30)
)

func flags(f uint32) []byte { return bits(binary.BigEndian.AppendUint32(nil, f)) }

// flags reads KerberosFlags, of which there are at least 32 (RFC 4120, 5.2.8).
func (p *parser) flags() uint32 {
	b := p.bits()
	if p.err == nil && (len(b) < 4 || len(b) > 16) {
		p.fail("flags of %d bytes", len(b))
	}
	if p.err != nil {
		return 0
	}
	return binary.BigEndian.Uint32(b)
}

// A requestBody is a KDC-REQ-BODY (RFC 4120, 5.4.1).
type requestBody struct {
	options uint32
	client  *principal // nil in a TGS-REQ
	realm   string
	server  principal
	till    time.Time
	renew   time.Time // zero if not wanted
	nonce   uint32
}

func (b requestBody) encode() []byte {
	parts := [][]byte{field(0, flags(b.options))}
	if b.client != nil {
		parts = append(parts, field(1, b.client.encode()))
	}
	parts = append(parts, field(2, text(b.realm)), field(3, b.server.encode()), field(5, timestamp(b.till)))
	if !b.renew.IsZero() {
		parts = append(parts, field(6, timestamp(b.renew)))
	}
	var offered [][]byte
	for _, e := range etypes {
		offered = append(offered, integer(int64(e)))
	}
	parts = append(parts, field(7, integer(int64(b.nonce))), field(8, sequence(offered...)))
	return sequence(parts...)
}

// encodeRequest encodes an AS-REQ or a TGS-REQ.
func encodeRequest(tag ber.Tag, list []paData, body []byte) []byte {
	kind := int64(tag & 0x1F) // both have the message type as tag number
	return tlv(tag, sequence(
		field(1, integer(protocolVersion)),
		field(2, integer(kind)),
		field(3, encodePAData(list)),
		field(4, body),
	))
}

type encryptedData struct {
	etype  int32
	cipher []byte
}

func (e encryptedData) encode() []byte {
	return sequence(field(0, integer(int64(e.etype))), field(2, octets(e.cipher)))
}

func (p *parser) encryptedData() (e encryptedData) {
	p.sequence(func(p *parser) {
		p.field(0, func(p *parser) { e.etype = int32(p.number(minInt32, maxInt32)) })
		p.optional(1, func(p *parser) { p.number(minInt32, maxUint32) })
		p.field(2, func(p *parser) { e.cipher = p.octets() })
	})
	return e
}

// A ticket is a Ticket (RFC 4120, 5.3).
type ticket struct {
	raw    []byte
	realm  string
	server principal
}

func (p *parser) ticket() (t ticket) {
	if e := p.take(appTicket); p.err == nil {
		t.raw = e.Raw
		in := inside(e)
		in.sequence(func(p *parser) {
			p.field(0, func(p *parser) { p.number(protocolVersion, protocolVersion) })
			p.field(1, func(p *parser) { t.realm = p.text() })
			p.field(2, func(p *parser) { t.server = p.principal() })
			p.field(3, func(p *parser) { p.encryptedData() })
		})
		p.err = in.close()
	}
	return t
}

// A reply is an AS-REP or a TGS-REP (RFC 4120, 5.4.2).
type reply struct {
	paData []paData
	client realmName
	ticket ticket
	enc    encryptedData
}

// parseReply reads a reply with the tag appASRep or appTGSRep.
func parseReply(b []byte, tag ber.Tag) (r reply, err error) {
	kind := int64(tag & 0x1F)
	p := parse(b)
	p.enter(tag, func(p *parser) {
		p.sequence(func(p *parser) {
			p.field(0, func(p *parser) { p.number(protocolVersion, protocolVersion) })
			p.field(1, func(p *parser) { p.number(kind, kind) })
			p.optional(2, func(p *parser) { r.paData = p.paData() })
			p.field(3, func(p *parser) { r.client.realm = p.text() })
			p.field(4, func(p *parser) { r.client.principal = p.principal() })
			p.field(5, func(p *parser) { r.ticket = p.ticket() })
			p.field(6, func(p *parser) { r.enc = p.encryptedData() })
		})
	})
	return r, p.close()
}

// An encPart is an EncKDCRepPart (RFC 4120, 5.4.2).
type encPart struct {
	etype  int32
	key    []byte
	nonce  uint32
	flags  uint32
	auth   time.Time
	start  time.Time // zero if absent
	end    time.Time
	renew  time.Time // zero if absent
	server realmName
	paData []paData
}

func parseEncPart(b []byte) (e encPart, err error) {
	p := parse(b)
	tag := appEncTGSRep // some KDCs use it in an AS-REP, too (RFC 4120, 5.4.2)
	if p.has(appEncASRep) {
		tag = appEncASRep
	}
	p.enter(tag, func(p *parser) {
		p.sequence(func(p *parser) {
			p.field(0, func(p *parser) {
				p.sequence(func(p *parser) {
					p.field(0, func(p *parser) { e.etype = int32(p.number(minInt32, maxInt32)) })
					p.field(1, func(p *parser) { e.key = p.octets() })
				})
			})
			p.take(explicit(1)) // last-req is only information
			p.field(2, func(p *parser) { e.nonce = p.nonce() })
			p.optional(3, func(p *parser) { p.time() })
			p.field(4, func(p *parser) { e.flags = p.flags() })
			p.field(5, func(p *parser) { e.auth = p.time() })
			p.optional(6, func(p *parser) { e.start = p.time() })
			p.field(7, func(p *parser) { e.end = p.time() })
			p.optional(8, func(p *parser) { e.renew = p.time() })
			p.field(9, func(p *parser) { e.server.realm = p.text() })
			p.field(10, func(p *parser) { e.server.principal = p.principal() })
			if p.has(explicit(11)) {
				p.take(explicit(11)) // addresses are not asked for
			}
			p.optional(12, func(p *parser) { e.paData = p.paData() })
		})
	})
	return e, p.close()
}

// nonce reads a UInt32, which Windows encodes as an Int32.
func (p *parser) nonce() uint32 { return uint32(p.number(minInt32, maxUint32)) }

// An errorMessage is a KRB-ERROR (RFC 4120, 5.9.1).
type errorMessage struct {
	code        int
	time        time.Time // of the KDC
	clientRealm string
	text        string
	data        []byte
}

func parseError(b []byte) (e errorMessage, err error) {
	p := parse(b)
	p.enter(appError, func(p *parser) {
		p.sequence(func(p *parser) {
			microseconds := func(p *parser) { p.number(0, 999999) }
			p.field(0, func(p *parser) { p.number(protocolVersion, protocolVersion) })
			p.field(1, func(p *parser) { p.number(typeError, typeError) })
			p.optional(2, func(p *parser) { p.time() })
			p.optional(3, microseconds)
			p.field(4, func(p *parser) { e.time = p.time() })
			p.field(5, microseconds)
			p.field(6, func(p *parser) { e.code = int(p.number(minInt32, maxInt32)) })
			p.optional(7, func(p *parser) { e.clientRealm = p.text() })
			p.optional(8, func(p *parser) { p.principal() })
			p.field(9, func(p *parser) { p.text() })
			p.field(10, func(p *parser) { p.principal() })
			p.optional(11, func(p *parser) { e.text = p.text() })
			p.optional(12, func(p *parser) { e.data = p.octets() })
		})
	})
	return e, p.close()
}

// status returns the NTSTATUS in the data of an error, or 0 (MS-KILE 2.2.1:
// KERB-ERROR-DATA with KERB_EXT_ERROR).
func (e errorMessage) status() (status uint32) {
	p := parse(e.data)
	p.sequence(func(p *parser) {
		p.field(1, func(p *parser) { p.number(3, 3) })
		p.field(2, func(p *parser) {
			if v := p.octets(); len(v) == 12 {
				status = binary.LittleEndian.Uint32(v)
			}
		})
	})
	if p.close() != nil {
		return 0
	}
	return status
}

// methods returns the METHOD-DATA of KDC_ERR_PREAUTH_REQUIRED.
func (e errorMessage) methods() ([]paData, error) {
	p := parse(e.data)
	list := p.paData()
	return list, p.close()
}
