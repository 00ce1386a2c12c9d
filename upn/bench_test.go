package upn_test

import (
	"testing"

	"github.com/smartlogon/smartlogon/internal/cert/certtest"
	"github.com/smartlogon/smartlogon/upn"
)

func BenchmarkRead(b *testing.B) {
	der := certtest.Logon("alice@example.com").DER()
	b.ReportAllocs()
	for b.Loop() {
		upn.Read(der)
	}
}
