package mapping_test

import (
	"crypto/sha1"
	"encoding/hex"
	"fmt"
	"strings"
	"testing"

	"github.com/smartlogon/smartlogon/upn/mapping"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

// lines returns kind, doubt and text of each spelling.
func lines(list []mapping.Spelling) []string {
	var lines []string
	for _, s := range list {
		lines = append(lines, strings.TrimSpace(fmt.Sprintf("%v [%v] %v", s.Kind, s.Doubt, s)))
	}
	return lines
}

func sha1Hex(b []byte) string {
	h := sha1.Sum(b)
	return hex.EncodeToString(h[:])
}

func TestOf(t *testing.T) {
	key := spki(t)
	bits := key[len(key)-65:] // an uncompressed point of P-256
	der := spec{
		serial:     []byte{0x12, 0x34},
		extensions: [][]byte{san(upnName("bob@contoso.com"), rfc822Name("bob@mail.example"), uri(sidURI+bobSID)), ski(keyID), sidExtension(bobSID)},
	}.make(t)
	const issuer, subject = "DC=com,DC=contoso,CN=CONTOSO-DC-CA", "DC=com,DC=contoso,OU=UserAccounts,CN=mfatest"

	list, err := mapping.Of(der, mapping.Entra)
	require.NoError(t, err)
	assert.Equal(t, []string{
		"PN [] X509:<PN>bob@contoso.com",
		"RFC822 [] X509:<RFC822>bob@mail.example",
		"IS [] X509:<I>" + issuer + "<S>" + subject,
		"S [] X509:<S>" + subject,
		"SKI [] X509:<SKI>" + keyID,
		"SHA1PUKEY [] X509:<SHA1-PUKEY>" + sha1Hex(der),
		"ISR [] X509:<I>" + issuer + "<SR>3412",
	}, lines(list))

	list, err = mapping.Of(der, mapping.ActiveDirectory)
	require.NoError(t, err)
	assert.Equal(t, []string{
		"IS [] X509:<I>" + issuer + "<S>" + subject,
		"S [] X509:<S>" + subject,
		"ISR [] X509:<I>" + issuer + "<SR>3412",
		"SKI [] X509:<SKI>" + keyID,
		"SHA1PUKEY [key-hash] X509:<SHA1-PUKEY>" + sha1Hex(bits),
		"SHA1PUKEY [key-hash] X509:<SHA1-PUKEY>" + sha1Hex(der),
		"SHA1PUKEY [key-hash] X509:<SHA1-PUKEY>" + sha1Hex(key),
		"RFC822 [] X509:<RFC822>bob@mail.example",
		"ISID [] X509:<I>" + issuer + "<SID>" + bobSID,
	}, lines(list))
}

func TestSpellingsOfNames(t *testing.T) {
	tests := []struct {
		name    string
		subject dn
		entra   []string // doubt and value
		ad      []string // nil: as Entra
	}{
		{"plain", rdns(country, "US", org, "U.S. Government", cn, "Alice"),
			[]string{"[blanks] C=US,O=U.S. Government,CN=Alice", "[blanks] C=US,O=U.S.Government,CN=Alice"},
			[]string{"[] C=US,O=U.S. Government,CN=Alice"}},
		{"comma", rdns(org, "Contoso, Inc."),
			[]string{`[quoting,blanks] O="Contoso, Inc."`, `[quoting] O=Contoso, Inc.`, `[blanks] O="Contoso,Inc."`},
			[]string{`[quoting] O="Contoso, Inc."`, `[quoting] O=Contoso, Inc.`}},
		{"quotes", rdns(cn, `say "x"`),
			[]string{`[quoting,blanks] CN="say ""x"""`, `[quoting] CN=say "x"`, `[blanks] CN="say""x"""`},
			[]string{`[quoting] CN="say ""x"""`, `[quoting] CN=say "x"`}},
		{"plus, equal, hash, semicolon", rdns(cn, "a+b", cn, "a=b", cn, "#b", cn, "a;b"),
			[]string{`[quoting] CN="a+b",CN="a=b",CN="#b",CN="a;b"`, `[quoting] CN=a+b,CN=a=b,CN=#b,CN=a;b`}, nil},
		{"angle brackets, only quoted", rdns(cn, "a<S>b"),
			[]string{`[quoting] CN="a<S>b"`}, nil},
		{"leading and trailing spaces", rdns(cn, " a", ou, "b "),
			[]string{`[quoting,blanks] CN=" a",OU="b "`, `[quoting] CN= a,OU=b `, `[blanks] CN=a,OU=b`},
			[]string{`[quoting] CN=" a",OU="b "`, `[quoting] CN= a,OU=b `}},
		{"empty value", rdns(cn, ""), []string{`[quoting] CN=""`, `[quoting] CN=`}, nil},
		{"backslash is not special", rdns(cn, `a\b`), []string{`[] CN=a\b`}, nil},
		{"several attributes in a relative name", dn{{{oid: country, value: "US"}}, {{oid: cn, value: "JANE"}, {oid: uid, value: "47001"}}},
			[]string{"[plus-sign,type-name] C=US,CN=JANE OID.0.9.2342.19200300.100.1.1=47001",
				"[plus-sign] C=US,CN=JANE + OID.0.9.2342.19200300.100.1.1=47001",
				"[type-name] C=US,CN=JANE 0.9.2342.19200300.100.1.1=47001"}, nil},
		{"state and e-mail", rdns(state, "WA", email, "a@b"),
			[]string{"[type-name] S=WA,E=a@b", "[type-name] ST=WA,emailAddress=a@b"}, nil},
		{"serial number and unknown type", rdns(number, "7", "1.2.3", "x"),
			[]string{"[type-name] SERIALNUMBER=7,OID.1.2.3=x", "[type-name] SERIALNUMBER=7,1.2.3=x"}, nil},
		{"non-ASCII", rdns(cn, "Jürgen Żółć 山田"),
			[]string{"[blanks] CN=Jürgen Żółć 山田", "[blanks] CN=JürgenŻółć山田"}, []string{"[] CN=Jürgen Żółć 山田"}},
		{"BMPString", dn{{{oid: cn, value: "\x00J\x00\xFC\x5C\x71", tag: 30}}}, []string{"[] CN=Jü山"}, nil},
		{"BMPString with a surrogate pair", dn{{{oid: cn, value: "\x00J\xD8\x3D\xDE\x00\x00K", tag: 30}}}, []string{"[] CN=J😀K"}, nil},
		{"T61String is UTF-8", dn{{{oid: cn, value: "Jürgen", tag: cbasn1.T61String}}}, []string{"[] CN=Jürgen"}, nil},
		{"GeneralString, GraphicString, VideotexString", dn{{{oid: cn, value: "a", tag: 27}}, {{oid: cn, value: "b", tag: 25}}, {{oid: cn, value: "c", tag: 21}}}, []string{"[] CN=a,CN=b,CN=c"}, nil},
		{"BIT STRING", dn{{{oid: "2.5.4.45", value: "\x06\xC0", tag: cbasn1.BIT_STRING}}}, []string{"[type-name] OID.2.5.4.45=#030206C0", "[type-name] 2.5.4.45=#030206C0"}, nil},
		{"GeneralizedTime", dn{{{oid: cn, value: "19700101000000Z", tag: cbasn1.GeneralizedTime}}}, []string{"[] CN=#180F31393730303130313030303030305A"}, nil},
		{"OCTET STRING", dn{{{oid: cn, value: "\x0AV\xCF", tag: cbasn1.OCTET_STRING}}}, []string{"[] CN=#0A56CF"}, nil},
		{"INTEGER, NULL, SEQUENCE", dn{{{oid: cn, value: "\x05", tag: cbasn1.INTEGER}}, {{oid: ou, tag: cbasn1.NULL}}, {{oid: org, value: "\x05\x00", tag: cbasn1.SEQUENCE}}},
			[]string{"[] CN=#020105,OU=#0500,O=#30020500"}, nil},
		{"hexadecimal beside text like it", dn{{{oid: cn, value: "\x05", tag: cbasn1.INTEGER}}, {{oid: cn, value: "#020105"}}},
			[]string{`[quoting] CN=#020105,CN="#020105"`, `[quoting] CN=#020105,CN=#020105`}, nil},
		{"T61String is Latin-1 if not UTF-8", dn{{{oid: cn, value: "J\xFCrgen", tag: cbasn1.T61String}}}, []string{"[] CN=Jürgen"}, nil},
		{"UniversalString", dn{{{oid: cn, value: "\x00\x01\xF6\x00", tag: 28}}}, []string{"[] CN=😀"}, nil},
		{"PrintableString and IA5String", dn{{{oid: cn, value: "a", tag: cbasn1.PrintableString}}, {{oid: dc, value: "b", tag: cbasn1.IA5String}}}, []string{"[] CN=a,DC=b"}, nil},
		{"combining and right-to-left characters are kept", rdns(cn, "é\u202Ea"), []string{"[] CN=é\u202Ea"}, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			der := spec{subject: tt.subject}.make(t)
			for dialect, want := range map[mapping.Dialect][]string{mapping.Entra: tt.entra, mapping.ActiveDirectory: tt.ad} {
				if want == nil {
					want = tt.entra
				}
				list, err := mapping.Of(der, dialect)
				require.NoError(t, err)
				var got []string
				for _, s := range list {
					if s.Kind == mapping.Subject {
						assert.Equal(t, len(got) == 0, s.Preferred)
						got = append(got, fmt.Sprintf("[%v] %v", s.Doubt, s.Value))
					}
				}
				assert.Equal(t, want, got)
			}
		})
	}
}

func TestIssuerAndSubjectShareSpelling(t *testing.T) {
	der := spec{issuer: rdns(org, "Contoso, Inc."), subject: rdns(state, "W,A")}.make(t)
	list, err := mapping.Of(der, mapping.ActiveDirectory)
	require.NoError(t, err)
	assert.Equal(t, []string{
		`IS [quoting,type-name] X509:<I>O="Contoso, Inc."<S>S="W,A"`,
		`IS [quoting] X509:<I>O=Contoso, Inc.<S>S=W,A`,
		`IS [type-name] X509:<I>O="Contoso, Inc."<S>ST="W,A"`,
	}, lines(list[:3]))
}

func TestSerialNumbers(t *testing.T) {
	tests := []struct {
		name, serial string
		want         []string
	}{
		{"zero", "00", []string{"00"}},
		{"one byte", "7f", []string{"7f"}},
		{"leading zero byte removed", "00ff", []string{"ff"}},
		{"leading zero byte of a long number removed", "00c1020304", []string{"040302c1"}},
		{"only one zero byte removed", "000001", []string{"0100"}},
		{"trailing zero byte kept", "0100", []string{"0001"}},
		{"negative", "8001", []string{"0180"}},
		{"minus one", "ff", []string{"ff"}},
		{"negative, CryptoAPI may remove FF", "ff01", []string{"01ff", "01"}},
		{"20 bytes", "0102030405060708090a0b0c0d0e0f1011121314", []string{"14131211100f0e0d0c0b0a090807060504030201"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			der := spec{serial: unhex(t, tt.serial)}.make(t)
			for _, d := range []mapping.Dialect{mapping.Entra, mapping.ActiveDirectory} {
				list, err := mapping.Of(der, d)
				require.NoError(t, err)
				var got []string
				for _, s := range list {
					if s.Kind != mapping.IssuerSerial {
						continue
					}
					got = append(got, s.Value)
					assert.Equal(t, len(tt.want) > 1, s.Doubt == mapping.NegativeSerial)
				}
				assert.Equal(t, tt.want, got)
			}
		})
	}
}

func TestOfListsSeveralNames(t *testing.T) {
	der := spec{extensions: [][]byte{san(upnName("a@x"), upnName("b@x"), rfc822Name("c@x"), rfc822Name("d@x"))}}.make(t)
	list, err := mapping.Of(der, mapping.Entra)
	require.NoError(t, err)
	assert.Equal(t, []string{
		"PN [several-values] X509:<PN>a@x", "PN [several-values] X509:<PN>b@x",
		"RFC822 [several-values] X509:<RFC822>c@x", "RFC822 [several-values] X509:<RFC822>d@x",
	}, lines(list[:4]))
}

func TestOfOmitsAbsentFields(t *testing.T) {
	list, err := mapping.Of(spec{issuer: dn{}, subject: dn{}}.make(t), mapping.Entra)
	require.NoError(t, err)
	require.Len(t, list, 1)
	assert.Equal(t, mapping.SHA1PublicKey, list[0].Kind)
}

// The error names a malformed field, and the list has the others.
func TestOfReportsMalformedFields(t *testing.T) {
	all := []mapping.Kind{mapping.IssuerSubject, mapping.Subject, mapping.IssuerSerial, mapping.SKI, mapping.SHA1PublicKey, mapping.RFC822, mapping.IssuerSID}
	valid := spec{extensions: [][]byte{san(rfc822Name("a@b")), ski(keyID), sidExtension(bobSID)}}
	many := make(dn, 65)
	for i := range many {
		many[i] = []attr{{oid: cn, value: "a"}}
	}
	tests := []struct {
		name string
		edit func(*spec)
		lost []mapping.Kind
		want string
	}{
		{"valid", func(*spec) {}, nil, ""},
		{"issuer with a line feed", func(s *spec) { s.issuer = rdns(cn, "a\nb") },
			[]mapping.Kind{mapping.IssuerSubject, mapping.IssuerSerial, mapping.IssuerSID}, "mapping: IS: issuer: attribute 2.5.4.3 has a control character at byte 1; ISR: "},
		{"subject with a NUL", func(s *spec) { s.subject = rdns(cn, "a\x00") },
			[]mapping.Kind{mapping.IssuerSubject, mapping.Subject}, "subject: attribute 2.5.4.3 has a control character at byte 1"},
		{"subject, not UTF-8", func(s *spec) { s.subject = rdns(cn, "\xFF") },
			[]mapping.Kind{mapping.IssuerSubject, mapping.Subject}, "subject: attribute 2.5.4.3 at byte"},
		{"subject with a BMPString of odd length", func(s *spec) { s.subject = dn{{{oid: cn, value: "\x00a\x00", tag: 30}}} },
			[]mapping.Kind{mapping.IssuerSubject, mapping.Subject}, "is a malformed string"},
		{"subject with a BMPString that ends in a surrogate", func(s *spec) { s.subject = dn{{{oid: cn, value: "\x00a\xD8\x3D", tag: 30}}} },
			[]mapping.Kind{mapping.IssuerSubject, mapping.Subject}, "is a malformed string"},
		{"subject with a line feed in a GeneralString", func(s *spec) { s.subject = dn{{{oid: cn, value: "a\nb", tag: 27}}} },
			[]mapping.Kind{mapping.IssuerSubject, mapping.Subject}, "has a control character at byte 1"},
		{"subject with an OCTET STRING of 2,100 bytes", func(s *spec) {
			s.subject = dn{{{oid: cn, value: strings.Repeat("a", 2100), tag: cbasn1.OCTET_STRING}}}
		}, []mapping.Kind{mapping.IssuerSubject, mapping.Subject}, "subject: more than 4096 bytes"},
		{"subject of 65 attributes", func(s *spec) { s.subject = many },
			[]mapping.Kind{mapping.IssuerSubject, mapping.Subject}, "subject: 65 attributes, more than 64"},
		{"subject of 4,097 bytes", func(s *spec) { s.subject = rdns(cn, strings.Repeat("a", 4097)) },
			[]mapping.Kind{mapping.IssuerSubject, mapping.Subject}, "subject: more than 4096 bytes"},
		{"subject too long with quotes", func(s *spec) { s.subject = rdns(cn, strings.Repeat(`"`, 4096)) },
			[]mapping.Kind{mapping.IssuerSubject, mapping.Subject}, "longer than the 8192 bytes of a mapping"},
		{"empty serial number", func(s *spec) { s.serial = []byte{} }, []mapping.Kind{mapping.IssuerSerial}, "ISR: serial number is empty"},
		{"empty key identifier", func(s *spec) { s.extensions[1] = ski("") }, []mapping.Kind{mapping.SKI}, "SKI: identifier is empty"},
		{"data after the key identifier", func(s *spec) { s.extensions[1] = extension("2.5.29.14", []byte{4, 1, 1, 0}) }, []mapping.Kind{mapping.SKI}, "SKI: byte"},
		{"key identifier twice", func(s *spec) { s.extensions = append(s.extensions, ski(keyID)) }, []mapping.Kind{mapping.SKI}, "SKI: byte"},
		{"key is not a bit string", func(s *spec) { s.key = sequence(sequence(identifier("1.2.3")), []byte{4, 0}) }, []mapping.Kind{mapping.SHA1PublicKey}, "SHA1PUKEY: byte"},
		{"key with unused bits", func(s *spec) { s.key = sequence(sequence(identifier("1.2.3")), []byte{3, 2, 1, 2}) }, []mapping.Kind{mapping.SHA1PublicKey}, "SHA1PUKEY: key is not a whole number of bytes"},
		{"malformed e-mail address", func(s *spec) { s.extensions[0] = san(rfc822Name("a")) }, []mapping.Kind{mapping.RFC822}, "RFC822: upn: rfc822Name"},
		{"two URIs with different identifiers", func(s *spec) { s.extensions[0] = san(rfc822Name("a@b"), uri(sidURI+bobSID), uri(sidURI+otherSID)) }, []mapping.Kind{mapping.IssuerSID}, "ISID: subject alternative name: two URIs"},
		{"malformed identifier", func(s *spec) { s.extensions[2] = sidExtension("bob") }, []mapping.Kind{mapping.IssuerSID}, "ISID: SID extension: "},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := valid
			s.extensions = append([][]byte{}, valid.extensions...)
			tt.edit(&s)
			list, err := mapping.Of(s.make(t), mapping.ActiveDirectory)
			if tt.want == "" {
				require.NoError(t, err)
			} else {
				require.ErrorContains(t, err, tt.want)
				assert.NotContains(t, err.Error(), "\n")
			}
			listed := map[mapping.Kind]bool{}
			for _, sp := range list {
				listed[sp.Kind] = true
			}
			for _, kind := range all {
				lost := false
				for _, l := range tt.lost {
					lost = lost || l == kind
				}
				assert.Equal(t, !lost, listed[kind], "%v", kind)
			}
		})
	}
}

// Domain controllers use the identifier in the extension.
func TestSIDConflict(t *testing.T) {
	for _, d := range []struct {
		name                 string
		extension, uri, want string
		doubt                mapping.Doubt
	}{
		{"extension", bobSID, "", bobSID, 0},
		{"URI", "", bobSID, bobSID, 0},
		{"equal", bobSID, bobSID, bobSID, 0},
		{"different", bobSID, otherSID, bobSID, mapping.SIDConflict},
		{"different, the other way", otherSID, bobSID, otherSID, mapping.SIDConflict},
	} {
		t.Run(d.name, func(t *testing.T) {
			var extensions [][]byte
			if d.uri != "" {
				extensions = append(extensions, san(uri(sidURI+d.uri)))
			}
			if d.extension != "" {
				extensions = append(extensions, sidExtension(d.extension))
			}
			der := spec{extensions: extensions}.make(t)
			list, err := mapping.Of(der, mapping.ActiveDirectory)
			require.NoError(t, err)
			last := list[len(list)-1]
			assert.Equal(t, "X509:<I>"+caName+"<SID>"+d.want, last.String())
			assert.Equal(t, d.doubt, last.Doubt)
			assert.True(t, last.Preferred)

			a := mapping.Account{UPN: "bob@contoso.com", SID: d.want, AltSecurityIdentities: []string{last.String()}}
			j, err := mapping.Controller{}.Judge(a, der, nil)
			require.NoError(t, err)
			assert.Equal(t, mapping.Strong, j.Answer)
			assert.Equal(t, d.doubt != 0, j.SID.Conflict())
		})
	}
	assert.Equal(t, "several-values,sid-conflict", (mapping.SeveralValues | mapping.SIDConflict).String())
}

func TestOfNeedsACertificate(t *testing.T) {
	list, err := mapping.Of([]byte("-----BEGIN CERTIFICATE-----"), mapping.Entra)
	assert.ErrorContains(t, err, "mapping: certificate: ")
	assert.Empty(t, list)
}
