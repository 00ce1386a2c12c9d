package challenge_test

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/smartlogon/smartlogon/enumerate/challenge"
	"github.com/smartlogon/smartlogon/internal/testkeys"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "write the golden files in testdata")

// A golden file has an answer and the values that it is made from.
type golden struct {
	Challenge, Audience string
	Exporter            []byte
	Certificate         []byte
	Statement, Message  []byte
	Signature, Answer   []byte
}

func readGolden(t *testing.T, name string) golden {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", "golden", name+".txt"))
	require.NoError(t, err)
	lines := map[string]string{}
	for s := bufio.NewScanner(bytes.NewReader(b)); s.Scan(); {
		if key, value, ok := strings.Cut(s.Text(), ": "); ok {
			lines[key] = value
		}
	}
	field := func(key string) []byte {
		require.Contains(t, lines, key)
		v, err := hex.DecodeString(lines[key])
		require.NoError(t, err)
		return v
	}
	return golden{
		Challenge: lines["challenge"], Audience: lines["audience"],
		Exporter: field("exporter"), Certificate: field("certificate"),
		Statement: field("statement"), Message: field("message"),
		Signature: field("signature"), Answer: field("answer"),
	}
}

func (g golden) write(t *testing.T, name string) {
	t.Helper()
	text := fmt.Sprintf("challenge: %s\naudience: %s\nexporter: %x\ncertificate: %x\nstatement: %x\nmessage: %x\nsignature: %x\nanswer: %x\n",
		g.Challenge, g.Audience, g.Exporter, g.Certificate, g.Statement, g.Message, g.Signature, g.Answer)
	require.NoError(t, os.WriteFile(filepath.Join("testdata", "golden", name+".txt"), []byte(text), 0o644))
}

// algorithmNumbers has the numbers in the package comment.
var algorithmNumbers = map[string]byte{"rsa-pkcs1": 1, "rsa-pss": 2, "p256": 3, "p384": 4, "p521": 5, "ed25519": 6}

// build sets statement and message, following the package comment.
func (g *golden) build(c challenge.Challenge, algorithm byte) {
	certificate := sha256.Sum256(g.Certificate)
	s := []byte{0, 1, 1, 0, 1, algorithm, 0, 32}
	s = append(s, certificate[:]...)
	s = append(s, byte(len(c.Purpose)>>8), byte(len(c.Purpose)))
	s = append(s, c.Purpose...)
	s = append(s, byte(len(c.Audience)>>8), byte(len(c.Audience)))
	s = append(s, c.Audience...)
	s = append(s, 0, 32)
	s = append(s, c.Nonce[:]...)
	s = append(s, 0, 8)
	for shift := 56; shift >= 0; shift -= 8 {
		s = append(s, byte(c.Time.Unix()>>shift))
	}
	s = append(s, byte(len(g.Exporter)>>8), byte(len(g.Exporter)))
	g.Statement = append(s, g.Exporter...)
	hash := sha256.Sum256(g.Statement)
	g.Message = append([]byte("smartlogon challenge answer\x00"), hash[:]...)
}

func TestGoldenAnswers(t *testing.T) {
	if *update {
		updateGolden(t)
	}
	text, err := os.ReadFile(filepath.Join("testdata", "golden", "root.pem"))
	require.NoError(t, err)
	block, _ := pem.Decode(text)
	root, err := x509.ParseCertificate(block.Bytes)
	require.NoError(t, err)
	v := verifier(&authority{cert: root})

	for _, kind := range keyKinds() {
		t.Run(kind.name, func(t *testing.T) {
			g := readGolden(t, kind.name)
			var c challenge.Challenge
			require.NoError(t, c.UnmarshalText([]byte(g.Challenge)))
			c.Exporter = g.Exporter

			want := golden{Certificate: g.Certificate, Exporter: g.Exporter}
			want.build(c, algorithmNumbers[kind.name])
			assert.Equal(t, want.Statement, g.Statement)
			assert.Equal(t, want.Message, g.Message)

			parts := append([]byte("sla1"), algorithmNumbers[kind.name], byte(len(g.Certificate)>>8), byte(len(g.Certificate)))
			parts = append(parts, g.Certificate...)
			parts = append(parts, byte(len(g.Signature)>>8), byte(len(g.Signature)))
			assert.Equal(t, append(parts, g.Signature...), g.Answer)

			answer, err := challenge.Respond(kind.key, g.Certificate, c, g.Audience)
			require.NoError(t, err)
			assert.Equal(t, g.Answer, answer)

			id, err := v.Verify(t.Context(), c, g.Answer)
			require.NoError(t, err)
			assert.Equal(t, "alice@example.com", id.Name.Value)
		})
	}
}

// updateGolden writes the golden files. They are the same each time, as the keys of
// keyKinds are fixed and sign deterministically.
func updateGolden(t *testing.T) {
	ca := newAuthority(t, "Golden Root", nil, testkeys.RSA(2048, 2))
	dir := filepath.Join("testdata", "golden")
	require.NoError(t, os.MkdirAll(dir, 0o755))
	block := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: ca.cert.Raw})
	require.NoError(t, os.WriteFile(filepath.Join(dir, "root.pem"), block, 0o644))
	for i, kind := range keyKinds() {
		c := challenge.Challenge{Purpose: "sign-in", Audience: origin, Time: clock.Add(-time.Minute)}
		for j := range c.Nonce {
			c.Nonce[j] = byte(0x10*i + j)
		}
		if i%2 == 1 {
			c.Exporter = bytes.Repeat([]byte{0xE0 + byte(i)}, 32)
		}
		text, err := c.MarshalText()
		require.NoError(t, err)
		g := golden{Challenge: string(text), Audience: origin, Exporter: c.Exporter, Certificate: ca.issue(t, kind.key.Public())}
		g.build(c, algorithmNumbers[kind.name])
		g.Answer = respond(t, kind.key, g.Certificate, c)
		g.Signature = g.Answer[4+1+2+len(g.Certificate)+2:]
		g.write(t, kind.name)
	}
}
