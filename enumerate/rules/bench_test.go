package rules_test

import (
	"testing"
	"time"

	"github.com/smartlogon/smartlogon/enumerate/rules"
	"github.com/smartlogon/smartlogon/internal/cert/certtest"
)

// BenchmarkCheck reads and judges a certificate with the extensions that a
// Windows CA issues; the names are part of it.
func BenchmarkCheck(b *testing.B) {
	c := certtest.Logon("alice@example.com")
	for _, oid := range []string{"2.5.29.14", "2.5.29.35", "2.5.29.31", "1.3.6.1.5.5.7.1.1", "2.5.29.32", "1.3.6.1.4.1.311.25.2"} {
		c.Extensions = append(c.Extensions, certtest.Extension(oid, make([]byte, 64)))
	}
	c.Extensions = append(c.Extensions, certtest.Template("1.3.6.1.4.1.311.21.8.1.2.3", 100, 4))
	der := c.DER()
	at := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	b.ReportAllocs()
	for b.Loop() {
		if !rules.Check(der, exchange, rules.Policy{}, at).Offered() {
			b.Fatal("not offered")
		}
	}
}
