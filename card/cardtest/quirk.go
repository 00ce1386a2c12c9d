package cardtest

import (
	"fmt"

	"github.com/smartlogon/smartlogon/internal/softcard/iso"
	"github.com/smartlogon/smartlogon/internal/softcard/piv"
)

// A Quirk is one way in which real cards differ from the standard or from each
// other. It is an [Option]. Quirks whose names begin with PIV are for PIV cards,
// those whose names begin with GIDS for GIDS cards, the others for both.
type Quirk int

// Quirks of every card.
const (
	// T0 uses the protocol T=0: short lengths only, each response to a command
	// with data is fetched with GET RESPONSE, and a wrong Le is refused with 6CXX.
	T0 Quirk = iota

	// ShortLengths refuses extended lengths with 6700.
	ShortLengths

	// NoCommandChaining refuses the parts of a chained command with 6884.
	NoCommandChaining

	// NoResponseChaining does not implement GET RESPONSE.
	NoResponseChaining

	// ExactLe refuses an Le that is larger than the response with 6CXX.
	ExactLe

	// IgnoresLe sends as much as fits, whatever Le is.
	IgnoresLe

	// FullAID selects applications by their full identifier only.
	FullAID

	// Implicit selects the card's application at reset.
	Implicit

	// ReadOnly refuses every instruction that would change the card with 6985.
	ReadOnly

	// PlainRetries returns 630X where the standard has 63CX, as old YubiKeys do.
	PlainRetries

	// EmptyVerifyRefused refuses VERIFY without data with 6700.
	EmptyVerifyRefused

	// NoLogout does not implement logging out.
	NoLogout
)

// Quirks of PIV cards.
const (
	// PIVMissing has no PIV application: a card of another kind.
	PIVMissing Quirk = iota + 100

	// PIVContactless is a card on its contactless interface, which refuses keys
	// that need the PIN, and much else.
	PIVContactless

	// PIVGzip compresses certificates (SP 800-73-4 part 1, 3.3).
	PIVGzip

	// PIVNetID compresses certificates as the minidriver of Net iD does.
	PIVNetID

	// PIVNoDiscovery has no discovery object.
	PIVNoDiscovery

	// PIVEmptyObjects returns 53 00 instead of 6A82 for a missing object.
	PIVEmptyObjects

	// PIVLongLengths encodes the length of every element in four bytes.
	PIVLongLengths

	// PIVShortAID omits the registered identifier from the application
	// identifier in the response to SELECT, as YubiKeys do.
	PIVShortAID

	// PIVSelectClears clears the verified PIN at every SELECT.
	PIVSelectClears

	// PIVBlocksAtOnce returns 6983 instead of 63C0 for the try that blocks the
	// PIN.
	PIVBlocksAtOnce

	// PIVEmptyVerifyHides returns the retries left, not 9000, for VERIFY without
	// data while the PIN is verified.
	PIVEmptyVerifyHides

	// PIVEmptyVerifyClears clears the verified PIN at VERIFY without data.
	PIVEmptyVerifyClears

	// PIVEmptyVerifyCosts counts VERIFY without data as a wrong PIN.
	PIVEmptyVerifyCosts

	// PIVBadFormatCosts counts a malformed PIN as a wrong PIN.
	PIVBadFormatCosts
)

// Quirks of GIDS cards.
const (
	// GIDSBlank is not set up: it has no PIN and no files.
	GIDSBlank Quirk = iota + 200

	// GIDSWithPUK has a PUK, [PUK].
	GIDSWithPUK

	// GIDSDecimalNames numbers the files of certificates with decimal digits.
	GIDSDecimalNames

	// GIDSPlainCertificates stores certificates uncompressed.
	GIDSPlainCertificates

	// GIDSOldRetries returns the retries left with the tag of old cards, 9F17.
	GIDSOldRetries

	// GIDSNoRetries does not return the retries left.
	GIDSNoRetries

	// GIDSNoKeyMap has no key map.
	GIDSNoKeyMap

	// GIDSHostPads has keys that leave all padding to the host.
	GIDSHostPads

	// GIDSCardPads has keys that accept no padding by the host.
	GIDSCardPads

	// GIDSSelectKeeps keeps the verified PIN at SELECT. Other cards clear it.
	GIDSSelectKeeps

	// GIDSNoProperties responds to SELECT without data.
	GIDSNoProperties
)

// String returns the name of the constant.
func (q Quirk) String() string {
	if o, ok := quirks[q]; ok {
		return o.name
	}
	return fmt.Sprintf("Quirk(%d)", int(q))
}

func (q Quirk) apply(c *config) {
	o, ok := quirks[q]
	if !ok {
		panic(fmt.Sprintf("cardtest: %v does not exist", q))
	}
	o.apply(c)
	for _, pair := range contradictions {
		if q == pair[0] && c.quirks[pair[1]] || q == pair[1] && c.quirks[pair[0]] {
			panic(fmt.Sprintf("cardtest: a card cannot have both %v and %v", pair[0], pair[1]))
		}
	}
	if c.quirks == nil {
		c.quirks = map[Quirk]bool{}
	}
	c.quirks[q] = true
}

// contradictions lists the quirks of which one cancels the other.
var contradictions = [][2]Quirk{
	{ExactLe, IgnoresLe},
	{PIVGzip, PIVNetID},
	{EmptyVerifyRefused, PIVEmptyVerifyHides},
	{EmptyVerifyRefused, PIVEmptyVerifyClears},
	{EmptyVerifyRefused, PIVEmptyVerifyCosts},
	{GIDSBlank, GIDSWithPUK},
	{GIDSOldRetries, GIDSNoRetries},
	{GIDSHostPads, GIDSCardPads},
}

var quirks = map[Quirk]option{
	T0:                 {"T0", anyCard, func(c *config) { c.iso.T0 = true }},
	ShortLengths:       {"ShortLengths", anyCard, func(c *config) { c.iso.NoExtended = true }},
	NoCommandChaining:  {"NoCommandChaining", anyCard, func(c *config) { c.iso.NoCommandChaining = true }},
	NoResponseChaining: {"NoResponseChaining", anyCard, func(c *config) { c.iso.NoResponseChaining = true }},
	ExactLe:            {"ExactLe", anyCard, func(c *config) { c.iso.ExactLe = true }},
	IgnoresLe:          {"IgnoresLe", anyCard, func(c *config) { c.iso.IgnoresLe = true }},
	FullAID:            {"FullAID", anyCard, func(c *config) { c.iso.FullAID = true }},
	Implicit:           {"Implicit", anyCard, func(c *config) { c.iso.Implicit = true }},
	ReadOnly:           {"ReadOnly", anyCard, func(c *config) { c.readOnly = true }},
	PlainRetries: {"PlainRetries", anyCard, func(c *config) {
		c.piv.Quirks.PlainRetries, c.gids.Quirks.PlainRetries = true, true
	}},
	EmptyVerifyRefused: {"EmptyVerifyRefused", anyCard, func(c *config) {
		c.piv.Quirks.EmptyVerify, c.gids.Quirks.EmptyVerify = iso.WrongLength, iso.WrongLength
	}},
	NoLogout: {"NoLogout", anyCard, func(c *config) {
		c.piv.Quirks.NoLogout, c.gids.Quirks.NoLogout = true, true
	}},

	PIVMissing:           {"PIVMissing", pivCard, func(c *config) { c.noPIV = true }},
	PIVContactless:       {"PIVContactless", pivCard, func(c *config) { c.piv.Contactless = true }},
	PIVGzip:              {"PIVGzip", pivCard, func(c *config) { c.encoding = piv.Gzip }},
	PIVNetID:             {"PIVNetID", pivCard, func(c *config) { c.encoding = piv.NetID }},
	PIVNoDiscovery:       {"PIVNoDiscovery", pivCard, func(c *config) { c.piv.Quirks.NoDiscovery = true }},
	PIVEmptyObjects:      {"PIVEmptyObjects", pivCard, func(c *config) { c.piv.Quirks.EmptyObjects = true }},
	PIVLongLengths:       {"PIVLongLengths", pivCard, func(c *config) { c.piv.Quirks.LongLengths = true }},
	PIVShortAID:          {"PIVShortAID", pivCard, func(c *config) { c.piv.Quirks.SelectWithPIX = true }},
	PIVSelectClears:      {"PIVSelectClears", pivCard, func(c *config) { c.piv.Quirks.SelectClears = true }},
	PIVBlocksAtOnce:      {"PIVBlocksAtOnce", pivCard, func(c *config) { c.piv.Quirks.BlocksAtOnce = true }},
	PIVEmptyVerifyHides:  {"PIVEmptyVerifyHides", pivCard, func(c *config) { c.piv.Quirks.EmptyVerifyHides = true }},
	PIVEmptyVerifyClears: {"PIVEmptyVerifyClears", pivCard, func(c *config) { c.piv.Quirks.EmptyVerifyClears = true }},
	PIVEmptyVerifyCosts:  {"PIVEmptyVerifyCosts", pivCard, func(c *config) { c.piv.Quirks.EmptyVerifyCosts = true }},
	PIVBadFormatCosts:    {"PIVBadFormatCosts", pivCard, func(c *config) { c.piv.Quirks.BadFormatCosts = true }},

	GIDSBlank:             {"GIDSBlank", gidsCard, func(c *config) { c.gids.Blank = true }},
	GIDSWithPUK:           {"GIDSWithPUK", gidsCard, func(c *config) { c.gids.PUK = PUK }},
	GIDSDecimalNames:      {"GIDSDecimalNames", gidsCard, func(c *config) { c.gids.Quirks.DecimalNames = true }},
	GIDSPlainCertificates: {"GIDSPlainCertificates", gidsCard, func(c *config) { c.gids.Quirks.PlainCertificates = true }},
	GIDSOldRetries:        {"GIDSOldRetries", gidsCard, func(c *config) { c.gids.Quirks.OldTries = true }},
	GIDSNoRetries:         {"GIDSNoRetries", gidsCard, func(c *config) { c.gids.Quirks.NoStatus = true }},
	GIDSNoKeyMap:          {"GIDSNoKeyMap", gidsCard, func(c *config) { c.gids.Quirks.NoKeyMap = true }},
	GIDSHostPads:          {"GIDSHostPads", gidsCard, func(c *config) { c.gids.Quirks.RawOnly = true }},
	GIDSCardPads:          {"GIDSCardPads", gidsCard, func(c *config) { c.gids.Quirks.PaddedOnly = true }},
	GIDSSelectKeeps:       {"GIDSSelectKeeps", gidsCard, func(c *config) { c.gids.Quirks.SelectKeeps = true }},
	GIDSNoProperties:      {"GIDSNoProperties", gidsCard, func(c *config) { c.gids.Quirks.NoProperties = true }},
}
