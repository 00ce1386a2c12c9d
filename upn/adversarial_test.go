package upn_test

import (
	"encoding/hex"
	"strings"
	"testing"

	"github.com/smartlogon/smartlogon/internal/ber"
	"github.com/smartlogon/smartlogon/internal/cert/certtest"
	"github.com/smartlogon/smartlogon/upn"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Values of MalformedError.Field.
const (
	san       = "subjectAltName"
	principal = "userPrincipalName"
	mailbox   = "rfc822Name"
)

// A sanCase is the value of a subject alternative name extension and the expected
// result: its names, or the malformed field.
type sanCase struct {
	name         string
	san          string // hexadecimal
	upns, emails []string
	malformed    string
}

// sanCases are malformed and hostile values, each with an id. The first is valid,
// and the others are variants of it.
var sanCases = []sanCase{
	{name: "baseline", san: "3023a021060a2b060104018237140203a0130c11616c696365406578616d706c652e636f6d", upns: []string{"alice@example.com"}},
	{name: "E1 BMPString", san: "3034a032060a2b060104018237140203a0241e220061006c0069006300650040006500780061006d0070006c0065002e0063006f006d", malformed: principal},
	{name: "E2 IA5String", san: "3023a021060a2b060104018237140203a0131611616c696365406578616d706c652e636f6d", malformed: principal},
	{name: "E3 PrintableString with @", san: "3023a021060a2b060104018237140203a0131311616c696365406578616d706c652e636f6d", malformed: principal},
	{name: "E4 T61String", san: "3023a021060a2b060104018237140203a0131411616c696365406578616d706c652e636f6d", malformed: principal},
	{name: "E5 OCTET STRING", san: "3023a021060a2b060104018237140203a0130411616c696365406578616d706c652e636f6d", malformed: principal},
	{name: "E6 UTF8String, invalid byte", san: "3024a022060a2b060104018237140203a0140c12616cff696365406578616d706c652e636f6d", malformed: principal},
	{name: "E7 UTF8String, overlong @ (C1 80)", san: "3024a022060a2b060104018237140203a0140c12616c696365c1806578616d706c652e636f6d", malformed: principal},
	{name: "E8 UTF8String, encoded surrogate", san: "3023a021060a2b060104018237140203a0130c11616ceda080406578616d706c652e636f6d", malformed: principal},
	{name: "E9 BMPString, odd length", san: "3017a015060a2b060104018237140203a0071e050061004000", malformed: principal},
	{name: "S1 value is IMPLICIT [0] instead of EXPLICIT", san: "3021a01f060a2b0601040182371402038011616c696365406578616d706c652e636f6d", malformed: principal},
	{name: "S2 value without the [0] wrapper", san: "3021a01f060a2b0601040182371402030c11616c696365406578616d706c652e636f6d", malformed: principal},
	{name: "S3 wrapper is [1]", san: "3023a021060a2b060104018237140203a1130c11616c696365406578616d706c652e636f6d", malformed: principal},
	{name: "S4 general name is a SEQUENCE", san: "30233021060a2b060104018237140203a0130c11616c696365406578616d706c652e636f6d", malformed: san},
	{name: "S5 tag number 0 of class APPLICATION", san: "30236021060a2b060104018237140203a0130c11616c696365406578616d706c652e636f6d", malformed: san},
	{name: "S6 [0] primitive", san: "30238021060a2b060104018237140203a0130c11616c696365406578616d706c652e636f6d", malformed: san},
	{name: "S7 two strings in the wrapper", san: "3035a033060a2b060104018237140203a0250c11616c696365406578616d706c652e636f6d0c10726f6f74406578616d706c652e636f6d", malformed: principal},
	{name: "S8 extra element after the wrapper", san: "3025a023060a2b060104018237140203a0130c11616c696365406578616d706c652e636f6d0500", malformed: principal},
	{name: "S9 bytes after GeneralNames", san: "3023a021060a2b060104018237140203a0130c11616c696365406578616d706c652e636f6d0500", malformed: san},
	{name: "S10 empty wrapper", san: "3010a00e060a2b060104018237140203a000", malformed: principal},
	{name: "S11 no value", san: "300ea00c060a2b060104018237140203", malformed: principal},
	{name: "S12 indefinite length (BER)", san: "3080a021060a2b060104018237140203a0130c11616c696365406578616d706c652e636f6d0000", malformed: san},
	{name: "S13 length in long form where short fits", san: "3024a022060a2b060104018237140203a0140c8111616c696365406578616d706c652e636f6d", malformed: principal},
	{name: "S14 constructed UTF8String", san: "3027a025060a2b060104018237140203a0172c150c06616c696365400c0b6578616d706c652e636f6d", malformed: principal},
	{name: "S15 inner length exceeds its parent", san: "3025a023060a2b060104018237140203a0150c7f616c696365406578616d706c652e636f6d", malformed: san},
	{name: "S16 sibling OID (\u202620.2.2, smart card logon)", san: "3023a021060a2b060104018237140202a0130c11616c696365406578616d706c652e636f6d"},
	{name: "S17 OID arc with a padding octet (80)", san: "3024a022060b2b06010401823780140203a0130c11616c696365406578616d706c652e636f6d", malformed: san},
	{name: "S18 empty GeneralNames", san: "3000", malformed: san},
	{name: "V1 empty string", san: "3012a010060a2b060104018237140203a0020c00", malformed: principal},
	{name: "V2 NUL inside", san: "3024a022060a2b060104018237140203a0140c12616c69636500406578616d706c652e636f6d", malformed: principal},
	{name: "V2b NUL and a tail (C readers see root@example.com)", san: "302da02b060a2b060104018237140203a01d0c1b726f6f74406578616d706c652e636f6d002e6576696c2e74657374", malformed: principal},
	{name: "V3 two @", san: "302da02b060a2b060104018237140203a01d0c1b616c696365406576696c2e74657374406578616d706c652e636f6d", malformed: principal},
	{name: "V4 no @", san: "3017a015060a2b060104018237140203a0070c05616c696365", malformed: principal},
	{name: "V5 @ only", san: "3013a011060a2b060104018237140203a0030c0140", malformed: principal},
	{name: "V6 no user part", san: "301ea01c060a2b060104018237140203a00e0c0c406578616d706c652e636f6d", malformed: principal},
	{name: "V7 no suffix", san: "3018a016060a2b060104018237140203a0080c06616c69636540", malformed: principal},
	{name: "V8 leading and trailing space", san: "3025a023060a2b060104018237140203a0150c1320616c696365406578616d706c652e636f6d20", malformed: principal},
	{name: "V9 CR LF and a header", san: "3029a027060a2b060104018237140203a0190c17616c696365406578616d706c652e636f6d0d0a583a2031", malformed: principal},
	{name: "V10 Cyrillic \u0430 for Latin a", san: "3024a022060a2b060104018237140203a0140c12d0b06c696365406578616d706c652e636f6d", upns: []string{"\u0430lice@example.com"}},
	{name: "V11 fullwidth \uff20 (U+FF20)", san: "3025a023060a2b060104018237140203a0150c13616c696365efbca06578616d706c652e636f6d", malformed: principal},
	{name: "V12 right-to-left override", san: "3026a024060a2b060104018237140203a0160c14616c696365e280ae406578616d706c652e636f6d", malformed: principal},
	{name: "V13 zero width space", san: "3026a024060a2b060104018237140203a0160c14616c69e2808b6365406578616d706c652e636f6d", malformed: principal},
	{name: "V14 byte order mark first", san: "3026a024060a2b060104018237140203a0160c14efbbbf616c696365406578616d706c652e636f6d", malformed: principal},
	{name: "V15 decomposed \u00e9", san: "3025a023060a2b060104018237140203a0150c1372656e65cc8165406578616d706c652e636f6d", upns: []string{"rene\u0301e@example.com"}},
	{name: "V16 EXAMPLE\\alice", san: "301fa01d060a2b060104018237140203a00f0c0d4558414d504c455c616c696365", malformed: principal},
	{name: "M1 two different UPNs", san: "3045a021060a2b060104018237140203a0130c11616c696365406578616d706c652e636f6da020060a2b060104018237140203a0120c10726f6f74406578616d706c652e636f6d", upns: []string{"alice@example.com", "root@example.com"}},
	{name: "M2 same UPN twice", san: "3046a021060a2b060104018237140203a0130c11616c696365406578616d706c652e636f6da021060a2b060104018237140203a0130c11616c696365406578616d706c652e636f6d", upns: []string{"alice@example.com"}},
	{name: "M3 same but for case", san: "3046a021060a2b060104018237140203a0130c11616c696365406578616d706c652e636f6da021060a2b060104018237140203a0130c11414c494345404558414d504c452e434f4d", upns: []string{"alice@example.com"}},
	{name: "M4 malformed UPN, then a valid one", san: "3036a011060a2b060104018237140203a003040178a021060a2b060104018237140203a0130c11616c696365406578616d706c652e636f6d", malformed: principal},
	{name: "M5 empty UPN and a valid RFC822 name", san: "3025a010060a2b060104018237140203a0020c008111616c696365406578616d706c652e636f6d", malformed: principal},
	{name: "M6 RFC822 bob first, UPN alice second", san: "3034810f626f62406578616d706c652e636f6da021060a2b060104018237140203a0130c11616c696365406578616d706c652e636f6d", upns: []string{"alice@example.com"}, emails: []string{"bob@example.com"}},
	{name: "R1 quoted local part", san: "301b811922616c69636520736d69746822406578616d706c652e636f6d", malformed: mailbox},
	{name: "R1b @ inside quotes", san: "301381112261406222406578616d706c652e636f6d", malformed: mailbox},
	{name: "R2 angle brackets", san: "301581133c616c696365406578616d706c652e636f6d3e", malformed: mailbox},
	{name: "R3 comment", san: "30198117616c696365406578616d706c652e636f6d28726f6f7429", malformed: mailbox},
	{name: "R4 two mailboxes in one name", san: "30248122616c696365406578616d706c652e636f6d2c726f6f74406578616d706c652e636f6d", malformed: mailbox},
	{name: "R5 8-bit characters", san: "3015811372c3a96ec3a965406578616d706c652e636f6d", malformed: mailbox},
	{name: "R6 A-label domain", san: "301d811b616c69636540786e2d2d62636865722d6b76612e6578616d706c65", emails: []string{"alice@xn--bcher-kva.example"}},
	{name: "R7 address literal", san: "30138111616c696365405b3139322e302e322e315d", malformed: mailbox},
	{name: "R8 NUL and a tail", san: "301e811c616c696365406578616d706c652e636f6d002e6576696c2e74657374", malformed: mailbox},
	{name: "R9 two RFC822 names, no UPN", san: "30258111616c696365406578616d706c652e636f6d8110726f6f74406578616d706c652e636f6d", emails: []string{"alice@example.com", "root@example.com"}},
	{name: "R10 empty", san: "30028100", malformed: mailbox},
	{name: "R11 SmtpUTF8Mailbox (1.3.6.1.5.5.7.8.9), non-ASCII local part", san: "3023a02106082b06010505070809a0150c1372c3a96ec3a965406578616d706c652e636f6d"},
	{name: "R12 SmtpUTF8Mailbox, ASCII only", san: "3021a01f06082b06010505070809a0130c11616c696365406578616d706c652e636f6d"},
	{name: "R13 rfc822Name constructed (A1)", san: "3015a1131611616c696365406578616d706c652e636f6d", malformed: san},
	{name: "E10 BMPString with a surrogate pair", san: upnHex("1e04d83dde00"), malformed: principal},
	{name: "E10 BMPString with a lone surrogate", san: upnHex("1e02d83d"), malformed: principal},
	{name: "E11 UniversalString", san: upnHex("1c0400000061"), malformed: principal},
	{name: "E11 GeneralString", san: upnHex("1b11" + aliceHex), malformed: principal},
	{name: "E11 VisibleString", san: upnHex("1a11" + aliceHex), malformed: principal},
	{name: "S15 inner length exceeds the wrapper alone", san: upnHex("0c7f" + aliceHex), malformed: principal},
	{name: "S26 length 84 FF FF FF FF", san: "3084ffffffff", malformed: san},
	{name: "S26 length 88", san: "30880000000000000001", malformed: san},
	{name: "S26 length 84 FF FF FF FF of the name", san: "300a8184ffffffff616263", malformed: san},
	{name: "S27 two GeneralNames, the second with another UPN", san: sanHex(certtest.UPN("alice@example.com")) + sanHex(certtest.UPN("root@example.com")), malformed: san},
	{name: "V17 mixed case is kept", san: sanHex(certtest.UPN("pW11@ExAmPlE.cOm")), upns: []string{"pW11@ExAmPlE.cOm"}},
	{name: "V18 trailing dot in the suffix", san: sanHex(certtest.UPN("alice@example.com.")), malformed: principal},
	{name: "V18 empty label", san: sanHex(certtest.UPN("alice@example..com")), malformed: principal},
	{name: "V18 label over 63", san: sanHex(certtest.UPN("alice@" + strings.Repeat("a", 64) + ".com")), malformed: principal},
	{name: "V18 label of 63", san: sanHex(certtest.UPN("alice@" + strings.Repeat("a", 63))), upns: []string{"alice@" + strings.Repeat("a", 63)}},
	{name: "V18 suffix over 253", san: sanHex(certtest.UPN("alice@" + strings.Repeat("a.", 126) + "aa")), malformed: principal},
	{name: "V18 suffix of 253", san: sanHex(certtest.UPN("alice@" + strings.Repeat("a.", 126) + "a")), upns: []string{"alice@" + strings.Repeat("a.", 126) + "a"}},
	{name: "V18 space in the suffix", san: sanHex(certtest.UPN("alice@exam ple.com")), malformed: principal},
	{name: "V18 a full stop of another script in the suffix", san: sanHex(certtest.UPN("alice@example\u3002com")), malformed: principal},
	{name: "V19 suffix with no dot", san: sanHex(certtest.UPN("alice@corp")), upns: []string{"alice@corp"}},
	{name: "V20 digits as user", san: sanHex(certtest.UPN("0257000046@gsa.gov")), upns: []string{"0257000046@gsa.gov"}},
	{name: "V21 special characters in the user part", san: sanHex(certtest.UPN(`a/\[]:;|=,+*?<>"b@example.com`)), upns: []string{`a/\[]:;|=,+*?<>"b@example.com`}},
	{name: "V12 other bidirectional control", san: sanHex(certtest.UPN("a\u2066b@example.com")), malformed: principal},
	{name: "V13 soft hyphen", san: sanHex(certtest.UPN("a\u00ADb@example.com")), malformed: principal},
	{name: "V13 invisible character that is not of category Cf", san: sanHex(certtest.UPN("a\u3164b@example.com")), malformed: principal},
	{name: "V13 variation selector", san: sanHex(certtest.UPN("a\uFE0Fb@example.com")), malformed: principal},
	{name: "V9 line separator", san: sanHex(certtest.UPN("a\u2028b@example.com")), malformed: principal},
	{name: "V9 C1 control", san: sanHex(certtest.UPN("a\u0085b@example.com")), malformed: principal},
	{name: "V9 delete", san: sanHex(certtest.UPN("a\x7Fb@example.com")), malformed: principal},
	{name: "rule 4 private use", san: sanHex(certtest.UPN("a\uE000b@example.com")), malformed: principal},
	{name: "rule 4 unassigned", san: sanHex(certtest.UPN("a\u0378b@example.com")), malformed: principal},
	{name: "rule 4 noncharacter", san: sanHex(certtest.UPN("a\uFFFEb@example.com")), malformed: principal},
	{name: "V8 no-break space first", san: sanHex(certtest.UPN("\u00A0alice@example.com")), malformed: principal},
	{name: "V21 space inside the user part", san: sanHex(certtest.UPN("al ice@example.com")), upns: []string{"al ice@example.com"}},
	{name: "V10 letters of other scripts in the suffix", san: sanHex(certtest.UPN("alice@bücher.example")), upns: []string{"alice@bücher.example"}},
	{name: "V18 hyphen and underscore in the suffix", san: sanHex(certtest.UPN("alice@a-b_c.com")), upns: []string{"alice@a-b_c.com"}},
	{name: "M7 UPN after FASC-N, Kerberos principal, URN and DNS", san: sanHex(
		certtest.OtherName("2.16.840.1.101.3.6.6", ber.Append(nil, ber.OctetString, make([]byte, 25))),
		certtest.OtherName("1.3.6.1.5.2.2", certtest.Sequence()),
		certtest.GeneralName(6, "urn:uuid:94e28c68-84db-44db-8a0e-f502d6689b14"),
		certtest.GeneralName(2, "example.com"),
		certtest.UPN("alice@example.com"),
	), upns: []string{"alice@example.com"}},
	{name: "S23 UPN beside an iPAddress of three bytes", san: sanHex(certtest.GeneralName(7, "abc"), certtest.UPN("alice@example.com")), upns: []string{"alice@example.com"}},
	{name: "S23 UPN beside a dNSName with a NUL", san: sanHex(certtest.GeneralName(2, "a\x00b"), certtest.UPN("alice@example.com")), upns: []string{"alice@example.com"}},
	{name: "S23 UPN beside a URI of bytes", san: sanHex(certtest.GeneralName(6, "\xFF\xFE"), certtest.UPN("alice@example.com")), upns: []string{"alice@example.com"}},
	{name: "S23 UPN beside names of the other kinds", san: sanHex(
		ber.Append(nil, 0xA3, []byte{1}), ber.Append(nil, 0xA4, []byte{1}), ber.Append(nil, 0xA5, []byte{1}), certtest.GeneralName(8, "\x80"),
		certtest.UPN("alice@example.com"),
	), upns: []string{"alice@example.com"}},
	{name: "S11 otherName of another type with no value", san: sanHex(ber.Append(nil, 0xA0, certtest.OID("1.2.3"))), malformed: san},
	{name: "S7 otherName of another type with two values", san: sanHex(certtest.OtherName("1.2.3", []byte{5, 0, 5, 0})), malformed: san},
	{name: "S10 otherName of another type with an empty wrapper", san: sanHex(certtest.OtherName("1.2.3", nil)), malformed: san},
	{name: "S5 tag number 9", san: sanHex(certtest.GeneralName(9, "x")), malformed: san},
	{name: "S4 not a sequence", san: "0500", malformed: san},
	{name: "S4 empty input", san: "", malformed: san},
	{name: "M1 three, two of them equal", san: sanHex(certtest.UPN("a@x"), certtest.UPN("b@x"), certtest.UPN("A@X")), upns: []string{"a@x", "b@x"}},
	{name: "M4 valid UPN, then a malformed one", san: sanHex(certtest.UPN("alice@example.com"), certtest.UPN("")), malformed: principal},
	{name: "rule 2 valid UPN, then a malformed RFC822 name", san: sanHex(certtest.UPN("alice@example.com"), certtest.Email("bob")), malformed: mailbox},
	{name: "rule 2 valid UPN, then a truncated name", san: "3025" + sanHex(certtest.UPN("alice@example.com"))[4:] + "8105", malformed: san},
	{name: "R14 no @", san: sanHex(certtest.Email("alice")), malformed: mailbox},
	{name: "R14 host only", san: sanHex(certtest.Email("example.com")), malformed: mailbox},
	{name: "R14 empty local part", san: sanHex(certtest.Email("@example.com")), malformed: mailbox},
	{name: "R14 two @", san: sanHex(certtest.Email("a@b@example.com")), malformed: mailbox},
	{name: "R14 leading dot", san: sanHex(certtest.Email(".a@example.com")), malformed: mailbox},
	{name: "R14 double dot", san: sanHex(certtest.Email("a..b@example.com")), malformed: mailbox},
	{name: "R1 space in the local part", san: sanHex(certtest.Email("a b@example.com")), malformed: mailbox},
	{name: "R5 Latin-1", san: sanHex(certtest.Email("r\xE9ne@example.com")), malformed: mailbox},
	{name: "R15 plus tag, mixed case", san: sanHex(certtest.Email("FoO+x@ExAmPlE.com")), emails: []string{"FoO+x@ExAmPlE.com"}},
	{name: "S25 UPN of 1024 bytes", san: sanHex(certtest.UPN(strings.Repeat("a", 1016) + "@b.local")), upns: []string{strings.Repeat("a", 1016) + "@b.local"}},
	{name: "S25 UPN of 1025 bytes", san: sanHex(certtest.UPN(strings.Repeat("a", 1017) + "@b.local")), malformed: principal},
	{name: "S24 64 names, the UPN last", san: sanHex(append(dnsNames(63), certtest.UPN("alice@example.com"))...), upns: []string{"alice@example.com"}},
	{name: "S24 65 names, the UPN last", san: sanHex(append(dnsNames(64), certtest.UPN("alice@example.com"))...), malformed: san},
}

const aliceHex = "616c696365406578616d706c652e636f6d"

// upnHex returns a SAN with one UPN whose value is the given DER.
func upnHex(inner string) string {
	der, err := hex.DecodeString(inner)
	if err != nil {
		panic(err)
	}
	return sanHex(certtest.OtherName("1.3.6.1.4.1.311.20.2.3", der))
}

// sanHex returns a SAN with the given general names.
func sanHex(list ...[]byte) string { return hex.EncodeToString(certtest.Sequence(list...)) }

func dnsNames(n int) [][]byte {
	list := make([][]byte, n)
	for i := range list {
		list[i] = certtest.GeneralName(2, "example.com")
	}
	return list
}

func (c sanCase) value(t testing.TB) []byte {
	value, err := hex.DecodeString(c.san)
	require.NoError(t, err)
	return value
}

func (c sanCase) assert(t *testing.T, got upn.Names) {
	t.Helper()
	assert.Equal(t, c.upns, got.UPNs)
	assert.Equal(t, c.emails, got.Emails)
	if c.malformed == "" {
		assert.NoError(t, got.Err)
		return
	}
	var fault *upn.MalformedError
	require.ErrorAs(t, got.Err, &fault)
	assert.Equal(t, c.malformed, fault.Field)
	assert.NotEmpty(t, fault.Reason)
	assert.Less(t, len(fault.Error()), 500)
	for _, r := range fault.Error() {
		assert.True(t, ' ' <= r, "control character in %q", fault.Error())
	}
}

func TestReadSAN(t *testing.T) {
	for _, c := range sanCases {
		t.Run(c.name, func(t *testing.T) {
			value := c.value(t)
			c.assert(t, upn.ReadSAN(value))
		})
	}
}

func TestReadMatchesReadSAN(t *testing.T) {
	for _, c := range sanCases {
		t.Run(c.name, func(t *testing.T) {
			der := certtest.Certificate{Extensions: [][]byte{
				certtest.DigitalSignature(), certtest.Extension("2.5.29.17", c.value(t)), certtest.EKU(certtest.SmartCardLogon),
			}}.DER()
			got := upn.Read(der)
			c.assert(t, got)
			if fault, ok := got.Err.(*upn.MalformedError); ok {
				assert.Positive(t, fault.Offset)
				assert.Less(t, fault.Offset, len(der))
			}
		})
	}
}

func TestRead(t *testing.T) {
	alice, root := certtest.SAN(certtest.UPN("alice@example.com")), certtest.SAN(certtest.UPN("root@example.com"))
	valid := certtest.Certificate{Extensions: [][]byte{alice}}.DER()
	tests := []struct {
		name      string
		der       []byte
		want      upn.Names
		malformed string
	}{
		{"no extensions", certtest.Certificate{Subject: certtest.Sequence()}.DER(), upn.Names{}, ""},
		{"S19 SAN twice", certtest.Certificate{Extensions: [][]byte{alice, root}}.DER(), upn.Names{}, "extensions"},
		{"S20 SAN critical", certtest.Certificate{Extensions: [][]byte{certtest.Critical("2.5.29.17", certtest.Sequence(certtest.UPN("alice@example.com")))}}.DER(),
			upn.Names{UPNs: []string{"alice@example.com"}}, ""},
		{"S20 SAN not critical beside an empty subject", certtest.Certificate{Subject: certtest.Sequence(), Extensions: [][]byte{alice}}.DER(),
			upn.Names{UPNs: []string{"alice@example.com"}}, ""},
		{"S21 UPN in the issuer alternative name", certtest.Certificate{Subject: certtest.Sequence(), Extensions: [][]byte{
			certtest.Extension("2.5.29.18", certtest.Sequence(certtest.UPN("alice@example.com")))}}.DER(), upn.Names{}, ""},
		{"S22 UPN type in the subject", certtest.Certificate{Subject: certtest.Name("1.3.6.1.4.1.311.20.2.3=alice@example.com")}.DER(), upn.Names{}, ""},
		{"S22 UPN in subject directory attributes and name constraints", certtest.Certificate{Subject: certtest.Sequence(), Extensions: [][]byte{
			certtest.Extension("2.5.29.9", certtest.Sequence(certtest.UPN("alice@example.com"))),
			certtest.Extension("2.5.29.30", certtest.Sequence(certtest.UPN("alice@example.com")))}}.DER(), upn.Names{}, ""},
		{"S24 10,000 names", certtest.Certificate{Extensions: [][]byte{certtest.SAN(append(dnsNames(10_000), certtest.UPN("alice@example.com"))...)}}.DER(), upn.Names{}, "certificate"},
		{"S25 UPN of 64 KiB", certtest.Certificate{Extensions: [][]byte{certtest.SAN(certtest.UPN(strings.Repeat("a", 64<<10)))}}.DER(), upn.Names{}, "certificate"},
		{"S28 bytes after the certificate", append(certtest.Certificate{Extensions: [][]byte{alice}}.DER(), 0), upn.Names{}, "certificate"},
		{"truncated certificate", valid[:len(valid)-1], upn.Names{}, "certificate"},
		{"empty input", nil, upn.Names{}, "certificate"},
		{"malformed extension list", certtest.Certificate{Extensions: [][]byte{alice, {5, 0}}}.DER(), upn.Names{}, "extensions"},
		{"M8 addresses in E= and CN=, no SAN", certtest.Certificate{Subject: certtest.Name("CN=root@example.com", "E=alice@example.com")}.DER(),
			upn.Names{Subject: "E=alice@example.com"}, ""},
		{"M8 CN= only", certtest.Certificate{Subject: certtest.Name("CN=first", "CN=alice@example.com")}.DER(), upn.Names{Subject: "CN=alice@example.com"}, ""},
		{"M8 E= is not a string", certtest.Certificate{Subject: certtest.Attributes("1.2.840.113549.1.9.1", []byte{5, 0})}.DER(), upn.Names{}, ""},
		{"M8 malformed subject", certtest.Certificate{Subject: certtest.Sequence([]byte{5, 0})}.DER(), upn.Names{}, ""},
		{"malformed SAN hides the subject", certtest.Certificate{Extensions: [][]byte{certtest.SAN()}}.DER(), upn.Names{}, san},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := upn.Read(tt.der)
			if tt.malformed != "" {
				var fault *upn.MalformedError
				require.ErrorAs(t, got.Err, &fault)
				assert.Equal(t, tt.malformed, fault.Field)
				got.Err = nil
			}
			assert.Equal(t, tt.want, got)
		})
	}
}

func TestReadSANRefusesLargeInput(t *testing.T) {
	for name, value := range map[string][]byte{
		"S24 10,000 names":             certtest.Sequence(append(dnsNames(10_000), certtest.UPN("alice@example.com"))...),
		"S25 64 KiB":                   certtest.Sequence(certtest.UPN(strings.Repeat("a", 0xFFFF))),
		"S25 60 KiB":                   certtest.Sequence(certtest.UPN(strings.Repeat("a", 60<<10))),
		"S25 e-mail address of 60 KiB": certtest.Sequence(certtest.Email(strings.Repeat("\xFF", 60<<10))),
		"S25 16 MiB":                   certtest.Sequence(certtest.UPN(strings.Repeat("a", 16<<20))),
	} {
		t.Run(name, func(t *testing.T) {
			got := upn.ReadSAN(value)
			require.Error(t, got.Err)
			assert.Less(t, len(got.Err.Error()), 200)
			allocations := testing.AllocsPerRun(5, func() { upn.ReadSAN(value) })
			assert.Less(t, allocations, 10.0)
		})
	}
}

func TestMalformedErrorQuotesAndTruncates(t *testing.T) {
	value := certtest.Sequence(certtest.UPN("alice\r\n" + strings.Repeat("\u00e9", 100) + "@example.com"))
	assert.EqualError(t, upn.ReadSAN(value).Err,
		`upn: userPrincipalName at byte 21: "alice\r\n`+strings.Repeat("\u00e9", 57)+`"... has the character U+000D, which cannot be shown`)
}

func TestEqual(t *testing.T) {
	tests := []struct {
		name string
		a, b string
		want bool
	}{
		{"equal", "alice@example.com", "alice@example.com", true},
		{"V17 ASCII letters fold", "pW11@ExAmPlE.cOm", "Pw11@eXaMpLe.CoM", true},
		{"different", "alice@example.com", "alicf@example.com", false},
		{"longer", "alice@example.com", "alice@example.com.", false},
		{"V10 Cyrillic a", "alice@example.com", "\u0430lice@example.com", false},
		{"V15 decomposed and composed", "rene\u0301@example.com", "ren\u00e9@example.com", false},
		{"V17 long s does not fold", "s@example.com", "\u017F@example.com", false},
		{"V17 Kelvin sign does not fold", "k@example.com", "\u212A@example.com", false},
		{"V17 Turkish capital I does not fold", "i@example.com", "\u0130@example.com", false},
		{"letters outside ASCII do not fold", "\u00e9@example.com", "\u00c9@example.com", false},
		{"neighbors of the ASCII letters do not fold", "[@example.com", "{@example.com", false},
		{"V8 trailing space", "alice@example.com ", "alice@example.com", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			assert.Equal(t, tt.want, upn.Equal(tt.a, tt.b))
			assert.Equal(t, tt.want, upn.Equal(tt.b, tt.a))
		})
	}
}
