package piv_test

import (
	"crypto"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/smartlogon/smartlogon/card"
	"github.com/smartlogon/smartlogon/card/cardtest"
	"github.com/smartlogon/smartlogon/piv"
)

func BenchmarkCertificates(b *testing.B) {
	for name, options := range map[string][]cardtest.Option{"extended": nil, "short": {cardtest.ShortLengths}, "gzip": {cardtest.PIVGzip}} {
		b.Run(name, func(b *testing.B) {
			service := cardtest.NewService(withLongCertificates(b, cardtest.PIV(options...), 24))
			defer service.Close()
			c, err := service.Card(b.Context(), reader)
			require.NoError(b, err)
			p := piv.New(c)
			b.ReportAllocs()
			for b.Loop() {
				n := 0
				for _, err := range p.Certificates(b.Context(), piv.ScanAll) {
					if err != nil {
						b.Fatal(err)
					}
					n++
				}
				if n != 24 {
					b.Fatal(n)
				}
			}
		})
	}
}

func BenchmarkSign(b *testing.B) {
	for _, kind := range []cardtest.KeyKind{cardtest.RSA2048, cardtest.P256} {
		b.Run(string(kind), func(b *testing.B) {
			private := cardtest.Key(kind, 0)
			service := cardtest.NewService(cardtest.PIV().Put("9A", private, nil))
			defer service.Close()
			c, err := service.Card(b.Context(), reader)
			require.NoError(b, err)
			key, err := piv.New(c).Key(b.Context(), piv.Authentication, private.Public(), card.FixedPIN(cardtest.PIN))
			require.NoError(b, err)
			defer key.Close()
			sum := digest(crypto.SHA256)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := key.Sign(nil, sum, crypto.SHA256); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
