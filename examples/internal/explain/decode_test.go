package explain

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/binary"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
	"unicode/utf16"

	"github.com/smartlogon/smartlogon/card"
	"github.com/smartlogon/smartlogon/card/cardtest"
	"github.com/smartlogon/smartlogon/examples/internal/cli"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"
)

// certificateOf issues a certificate for a user.
func certificateOf(user string) []byte {
	_, der := cardtest.TestCA().Issue(cardtest.Leaf{UPNs: []string{user + "@example.com"}})
	return der
}

func pemOf(label string, der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: label, Bytes: der})
}

func inUTF16(text []byte, order binary.AppendByteOrder, mark string) []byte {
	var b []byte
	for _, unit := range utf16.Encode([]rune(mark + string(text))) {
		b = order.AppendUint16(b, unit)
	}
	return b
}

// pkcs7Of returns a SignedData with certificates, as openssl crl2pkcs7 makes one.
func pkcs7Of(certificates ...[]byte) []byte {
	tag0 := asn1.Tag(0).ContextSpecific().Constructed()
	var b cryptobyte.Builder
	b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddBytes(signedData)
		b.AddASN1(tag0, func(b *cryptobyte.Builder) {
			b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
				b.AddASN1Int64(1)
				b.AddASN1(asn1.SET, func(*cryptobyte.Builder) {})
				b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
					b.AddBytes(append(bytes.Clone(pkcs7Prefix), 0x01)) // data
				})
				if certificates != nil {
					b.AddASN1(tag0, func(b *cryptobyte.Builder) {
						for _, der := range certificates {
							b.AddBytes(der)
						}
					})
				}
				b.AddASN1(asn1.SET, func(*cryptobyte.Builder) {})
			})
		})
	})
	return b.BytesOrPanic()
}

// pkcs12Of returns the outer structure of a PKCS #12 file.
func pkcs12Of() []byte {
	var b cryptobyte.Builder
	b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1Int64(3)
		b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
			b.AddBytes(append(bytes.Clone(pkcs7Prefix), 0x01))
		})
	})
	return b.BytesOrPanic()
}

// readableFiles returns files that contain two certificates in this order.
func readableFiles(alice, bob []byte) map[string][]byte {
	a, b := pemOf("CERTIFICATE", alice), pemOf("CERTIFICATE", bob)
	both := append(bytes.Clone(a), b...)
	key := pemOf("PRIVATE KEY", []byte{0x30, 0})
	mark := []byte("\xEF\xBB\xBF")
	replace := func(old, new string) []byte { return bytes.ReplaceAll(both, []byte(old), []byte(new)) }
	return map[string][]byte{
		"PEM":                           both,
		"with a byte order mark":        append(bytes.Clone(mark), both...),
		"with two byte order marks":     bytes.Join([][]byte{mark, a, mark, b}, nil),
		"UTF-16 little endian":          inUTF16(both, binary.LittleEndian, "\uFEFF"),
		"UTF-16 big endian":             inUTF16(both, binary.BigEndian, "\uFEFF"),
		"UTF-16 little endian, no mark": inUTF16(both, binary.LittleEndian, ""),
		"UTF-16 big endian, no mark":    inUTF16(both, binary.BigEndian, ""),
		"X509 CERTIFICATE":              replace("CERTIFICATE", "X509 CERTIFICATE"),
		"TRUSTED CERTIFICATE": append(pemOf("TRUSTED CERTIFICATE", append(bytes.Clone(alice), 0x30, 0x00)),
			pemOf("TRUSTED CERTIFICATE", bob)...),
		"CR":                                    replace("\n", "\r"),
		"CR LF":                                 replace("\n", "\r\n"),
		"in one line":                           replace("\n", " "),
		"blank lines":                           replace("\n", "\n\n"),
		"indented with spaces":                  replace("\n", "\n    "),
		"indented with tabs":                    append([]byte("\t"), replace("\n", "\n\t")...),
		"joined without a break":                append(bytes.TrimSpace(a), b...),
		"text before and between":               bytes.Join([][]byte{[]byte("Bag Attributes\n    key: 01\n"), a, []byte("---\nsubject=bob\n"), b}, nil),
		"headers":                               replace("-----BEGIN CERTIFICATE-----\n", "-----BEGIN CERTIFICATE-----\nA: b\nC: d\n\n"),
		"without padding":                       replace("=", ""),
		"beside a key":                          bytes.Join([][]byte{key, a, key, b}, nil),
		"PKCS #7":                               pkcs7Of(alice, bob),
		"PKCS #7 in PEM":                        pemOf("PKCS7", pkcs7Of(alice, bob)),
		"PKCS #7 in base64":                     []byte(base64.StdEncoding.EncodeToString(pkcs7Of(alice, bob)) + "\n"),
		"PKCS #7 with an attribute certificate": pkcs7Of(alice, []byte{0xA1, 0x00}, bob),
		"PKCS #7 with a line feed":              append(pkcs7Of(alice, bob), '\n'),
	}
}

// decode returns what certificates yields.
func decode(file []byte) (ders [][]byte, errs []error) {
	for der, err := range certificates(file) {
		if err != nil {
			errs = append(errs, err)
		} else {
			ders = append(ders, der)
		}
	}
	return ders, errs
}

func TestReadableFiles(t *testing.T) {
	alice, bob := certificateOf("alice"), certificateOf("bob")
	for name, file := range readableFiles(alice, bob) {
		ders, errs := decode(file)
		assert.Empty(t, errs, name)
		assert.Equal(t, [][]byte{alice, bob}, ders, name)
	}
	text := base64.StdEncoding.EncodeToString(alice)
	for name, file := range map[string][]byte{
		"DER":                    alice,
		"DER with a line feed":   append(bytes.Clone(alice), '\n'),
		"DER with CR LF":         append(bytes.Clone(alice), "\r\n"...),
		"base64":                 []byte(text),
		"base64 in lines":        []byte("  " + text[:64] + "\r\n  " + text[64:] + "\r\n"),
		"base64 without padding": []byte(strings.TrimRight(text, "=")),
		"base64 in UTF-16":       inUTF16([]byte(text), binary.LittleEndian, "\uFEFF"),
		"base64, no mark":        inUTF16([]byte(text), binary.BigEndian, ""),
	} {
		ders, errs := decode(file)
		assert.Empty(t, errs, name)
		assert.Equal(t, [][]byte{alice}, ders, name)
	}
	// A name in a certificate can contain a marker.
	_, marked := cardtest.TestCA().Issue(cardtest.Leaf{UPNs: []string{"-----BEGIN CERTIFICATE-----"}})
	ders, errs := decode(marked)
	assert.Empty(t, errs)
	assert.Equal(t, [][]byte{marked}, ders)
}

// otherFiles returns files without certificates, by what the error says of them.
func otherFiles(t testing.TB) map[string][][]byte {
	t.Helper()
	must := func(der []byte, err error) []byte {
		t.Helper()
		require.NoError(t, err)
		return der
	}
	key := cardtest.Key(cardtest.RSA2048, 0).(*rsa.PrivateKey)
	ec := cardtest.Key(cardtest.P256, 0).(*ecdsa.PrivateKey)
	request := must(x509.CreateCertificateRequest(nil, &x509.CertificateRequest{}, key))
	issuer, err := x509.ParseCertificate(cardtest.TestCA().Certificate())
	require.NoError(t, err)
	issuer.SubjectKeyId = []byte{1}
	issuer.PublicKey, issuer.KeyUsage = key.Public(), x509.KeyUsageCRLSign
	crl := must(x509.CreateRevocationList(nil, &x509.RevocationList{
		Number: big.NewInt(1), ThisUpdate: time.Unix(1e9, 0), NextUpdate: time.Unix(2e9, 0),
	}, issuer, key))
	pkcs8 := must(x509.MarshalPKCS8PrivateKey(key))
	pkcs8EC := must(x509.MarshalPKCS8PrivateKey(ec))
	rfc5915 := must(x509.MarshalECPrivateKey(ec))
	spki := must(x509.MarshalPKIXPublicKey(key.Public()))
	encrypted := append([]byte{0x30, 0x06, 0x30, 0x02, 0x06, 0x00}, 0x04, 0x00)
	indefinite := append([]byte{0x30, 0x80}, signedData...)
	return map[string][][]byte{
		"certificate request":         {request, pemOf("CERTIFICATE REQUEST", request), pemOf("NEW CERTIFICATE REQUEST", request), pemOf("CERTIFICATE", request)},
		"certificate revocation list": {crl, pemOf("X509 CRL", crl)},
		"private key": {
			pkcs8, pemOf("PRIVATE KEY", pkcs8), pkcs8EC, rfc5915, pemOf("EC PRIVATE KEY", rfc5915), encrypted,
			x509.MarshalPKCS1PrivateKey(key), pemOf("RSA PRIVATE KEY", nil), pemOf("ENCRYPTED PRIVATE KEY", encrypted),
			pemOf("OPENSSH PRIVATE KEY", []byte("openssh-key-v1")), []byte(base64.StdEncoding.EncodeToString(pkcs8)),
			inUTF16(pemOf("PRIVATE KEY", pkcs8), binary.LittleEndian, "\uFEFF"),
		},
		"public key":                     {spki, pemOf("PUBLIC KEY", spki), x509.MarshalPKCS1PublicKey(&key.PublicKey)},
		"PKCS #12 file":                  {pkcs12Of(), {0x30, 0x80, 0x02, 0x01, 0x03, 0x30, 0x80}, append(pkcs12Of(), '\n')},
		"PKCS #7 file in BER or damaged": {indefinite, pemOf("PKCS7", indefinite), pkcs7Of([]byte{0x30}), pkcs7Of(pkcs7Of())},
		"PKCS #7 file without certificates": {
			pkcs7Of(), pkcs7Of([]byte{}), pkcs7Of([]byte{0xA1, 0x00}),
			append([]byte{0x30, 0x0B}, append(bytes.Clone(pkcs7Prefix), 0x03)...), // EnvelopedData
		},
		`PEM block "DH PARAMETERS"`: {pemOf("DH PARAMETERS", []byte{0x30, 0})},
	}
}

func TestOtherFiles(t *testing.T) {
	for kind, files := range otherFiles(t) {
		for i, file := range files {
			ders, errs := decode(file)
			assert.Empty(t, ders, "%s %d", kind, i)
			if assert.Len(t, errs, 1, "%s %d", kind, i) {
				assert.EqualError(t, errs[0], kind+", not a certificate", "%d", i)
			}
		}
	}
	for _, test := range []struct {
		file string
		err  error
	}{
		{"", errEmpty}, {"\r\n", errEmpty}, {"\xEF\xBB\xBF", errEmpty}, {"\xFF\xFE", errEmpty},
		{"hello", errUnknown}, {"aGVsbG8=", errUnknown}, {"=", errUnknown}, {"\x00\x01\x02\x03\x04\x05\x06", errUnknown},
	} {
		ders, errs := decode([]byte(test.file))
		assert.Empty(t, ders, "%q", test.file)
		assert.Equal(t, []error{test.err}, errs, "%q", test.file)
	}
}

func TestKindIsPrintedWithRemedy(t *testing.T) {
	file := filepath.Join(t.TempDir(), "key.p12")
	require.NoError(t, os.WriteFile(file, pkcs12Of(), 0o600))
	out, err := explain(t, file)
	assert.ErrorIs(t, err, errUnreadable)
	assert.Equal(t, file+": PKCS #12 file, not a certificate\n    -> "+pkcs12.hint+"\n", out)
	out, err = explain(t, "-json", file)
	assert.ErrorIs(t, err, errUnreadable)
	o := objects(t, out)[0]
	assert.Equal(t, pkcs12.Error(), o.Error)
	assert.Equal(t, pkcs12.hint, o.Remedy)
}

// Each damaged block is one error between the certificates before and after it.
func TestDamagedBlock(t *testing.T) {
	a, bob, c := pemOf("CERTIFICATE", certificateOf("alice")), certificateOf("bob"), pemOf("CERTIFICATE", certificateOf("carol"))
	b := string(pemOf("CERTIFICATE", bob))
	for name, test := range map[string]struct{ block, err string }{
		"malformed base64":          {strings.Replace(b, "MII", "M%I", 1), "damaged PEM block: malformed base64"},
		"quoted in mail":            {"> " + strings.ReplaceAll(b, "\nM", "\n> M"), "damaged PEM block: malformed base64"},
		"no END line":               {strings.Replace(b, "-----END CERTIFICATE-----", "", 1), "damaged PEM block: no END line"},
		"no BEGIN line":             {strings.Replace(b, "-----BEGIN CERTIFICATE-----", "", 1), "damaged PEM block: no BEGIN line"},
		"BEGIN line of four dashes": {b[1:], "damaged PEM block: no BEGIN line"},
		"other END line":            {strings.Replace(b, "END CERTIFICATE", "END X509 CRL", 1), `damaged PEM block: BEGIN "CERTIFICATE", but END "X509 CRL"`},
		"no contents":               {"-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n", "damaged PEM block: malformed base64"},
		"lost line":                 {b[:92] + b[157:], "read certificate"},
		"lost end":                  {string(pemOf("CERTIFICATE", bob[:len(bob)-1])), "read certificate"},
		"data after it":             {string(pemOf("CERTIFICATE", append(bytes.Clone(bob), 1))), "read certificate"},
		"key in it":                 {string(pemOf("CERTIFICATE", otherFiles(t)["private key"][0])), "private key, not a certificate"},
	} {
		file := filepath.Join(t.TempDir(), "bundle.pem")
		require.NoError(t, os.WriteFile(file, bytes.Join([][]byte{a, []byte(test.block), c}, nil), 0o600))
		out, err := explain(t, "-json", file)
		assert.ErrorIs(t, err, errUnreadable, name)
		list := objects(t, out)
		require.Len(t, list, 3, name)
		assert.Equal(t, []string{"alice@example.com"}, list[0].UPN, name)
		assert.Equal(t, file+" (certificate 2)", list[1].Source, name)
		assert.Contains(t, list[1].Error, test.err, name)
		assert.Equal(t, []string{"carol@example.com"}, list[2].UPN, name)
		assert.Equal(t, file+" (certificate 3)", list[2].Source, name)
	}
	// A damaged block of another kind does not matter.
	key := bytes.Replace(pemOf("PRIVATE KEY", []byte{0x30, 0}), []byte("-----END PRIVATE KEY-----\n"), nil, 1)
	ders, errs := decode(bytes.Join([][]byte{a, key, c}, nil))
	assert.Empty(t, errs)
	assert.Len(t, ders, 2)
}

// Devices and pipes have no size, and can go on for ever.
func TestUnboundedFiles(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("Windows has no /dev/zero")
	}
	out, err := explain(t, "/dev/zero")
	assert.ErrorIs(t, err, errUnreadable)
	assert.Equal(t, "/dev/zero: read /dev/zero: larger than 16 MiB\n", out)

	r, w, err := os.Pipe()
	require.NoError(t, err)
	defer r.Close()
	written := make(chan int64, 1)
	go func() {
		defer w.Close()
		n, _ := io.CopyN(w, zeros{}, 300<<20)
		written <- n
	}()
	out, err = explain(t, fmt.Sprintf("/dev/fd/%d", r.Fd()))
	assert.ErrorIs(t, err, errUnreadable)
	assert.Contains(t, out, "larger than 16 MiB")
	r.Close()
	assert.Less(t, <-written, int64(2*cli.MaxFile), "the rest is not read")
}

type zeros struct{}

func (zeros) Read(b []byte) (int, error) {
	clear(b)
	return len(b), nil
}

// A file of many small elements needs memory in proportion to its size.
func TestManyElements(t *testing.T) {
	const size = 1 << 16
	for name, file := range map[string][]byte{
		"BEGIN lines":       bytes.Repeat([]byte("-----BEGIN CERTIFICATE-----\n"), size/28),
		"END lines":         bytes.Repeat([]byte("-----END CERTIFICATE-----\n"), size/26),
		"other labels":      bytes.Repeat([]byte("-----BEGIN A-----"), size/17),
		"dashes":            bytes.Repeat([]byte("-"), size),
		"blocks":            bytes.Repeat(pemOf("CERTIFICATE", []byte{0x30, 0}), size/60),
		"PKCS #7":           pkcs7Of(bytes.Repeat([]byte{0x30, 0}, size/2)),
		"nested":            bytes.Repeat([]byte{0x30, 0x80}, size/2),
		"whitespace":        bytes.Repeat([]byte("\n"), size),
		"base64 whitespace": append(bytes.Repeat([]byte("\n"), size), "MAA="...),
	} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		n := 0
		for range certificates(file) {
			n++
		}
		runtime.ReadMemStats(&after)
		assert.LessOrEqual(t, n, len(file)/2, name)
		assert.LessOrEqual(t, after.TotalAlloc-before.TotalAlloc, uint64(16*len(file)), name)
	}
}

// Files that openssl writes are recognized, and the commands in the hints extract
// the certificate.
func TestOpenSSLFiles(t *testing.T) {
	openssl, err := exec.LookPath("openssl")
	if err != nil {
		t.Skip("openssl is not installed")
	}
	dir := t.TempDir()
	run := func(command string) {
		t.Helper()
		cmd := exec.Command(openssl, strings.Fields(command)...)
		cmd.Dir = dir
		out, err := cmd.CombinedOutput()
		require.NoError(t, err, "openssl %s: %s", command, out)
	}
	read := func(name string) ([][]byte, []error) {
		t.Helper()
		file, err := cli.ReadFile(filepath.Join(dir, name))
		require.NoError(t, err)
		return decode(file)
	}
	key, der := cardtest.TestCA().Issue(cardtest.Leaf{UPNs: []string{"alice@example.com"}, Subject: &pkix.Name{CommonName: "Alice"}})
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "c.pem"), pemOf("CERTIFICATE", der), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "k.pem"), pemOf("PRIVATE KEY", pkcs8), 0o600))

	for name, command := range map[string]string{
		"trusted.pem": "x509 -in c.pem -trustout -addtrust clientAuth -out trusted.pem",
		"text.pem":    "x509 -in c.pem -text -out text.pem",
		"c.der":       "x509 -in c.pem -outform DER -out c.der",
		"p7.pem":      "crl2pkcs7 -nocrl -certfile c.pem -out p7.pem",
		"p7.der":      "crl2pkcs7 -nocrl -certfile c.pem -outform DER -out p7.der",
		"signed.der":  "cms -sign -in c.pem -signer c.pem -inkey k.pem -outform DER -nodetach -binary -out signed.der",
	} {
		run(command)
		ders, errs := read(name)
		assert.Empty(t, errs, name)
		assert.Equal(t, [][]byte{der}, ders, name)
	}
	for _, test := range []struct {
		command, file string
		kind          *kindError
	}{
		{"req -new -key k.pem -subj /CN=Alice -out f", "f", certificateRequest},
		{"req -new -key k.pem -subj /CN=Alice -outform DER -out f", "f", certificateRequest},
		{"pkcs12 -export -in c.pem -inkey k.pem -passout pass: -out f", "f", pkcs12},
		{"pkey -in k.pem -outform DER -out f", "f", privateKey},
		{"pkcs8 -topk8 -in k.pem -passout pass:secret -outform DER -out f", "f", privateKey},
		{"pkey -in k.pem -aes256 -passout pass:secret -out f", "f", privateKey},
		{"rsa -in k.pem -traditional -out f", "f", privateKey},
		{"pkey -in k.pem -pubout -out f", "f", publicKey},
		{"pkey -in k.pem -pubout -outform DER -out f", "f", publicKey},
		{"cms -sign -in c.pem -signer c.pem -inkey k.pem -outform DER -stream -nodetach -binary -out f", "f", pkcs7Unreadable},
	} {
		run(test.command)
		ders, errs := read(test.file)
		assert.Empty(t, ders, test.command)
		assert.Equal(t, []error{test.kind}, errs, test.command)
	}
	// f is PKCS #7 in BER. With the command of the hint it becomes readable.
	commandOf := func(kind *kindError) string {
		_, command, ok := strings.Cut(card.Hint(kind), "openssl ")
		require.True(t, ok)
		command, _, _ = strings.Cut(strings.TrimSuffix(command, "."), " (")
		return strings.ReplaceAll(command, "FILE", "f")
	}
	run(commandOf(pkcs7Unreadable))
	ders, errs := read("certificates.pem")
	assert.Empty(t, errs)
	assert.Equal(t, [][]byte{der}, ders)

	run("pkcs12 -export -in c.pem -inkey k.pem -passout pass: -out f")
	run(commandOf(pkcs12) + " -passin pass:")
	ders, errs = read("certificates.pem")
	assert.Empty(t, errs)
	assert.Equal(t, [][]byte{der}, ders)
}
