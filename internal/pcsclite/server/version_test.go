package server_test

import (
	"testing"

	"github.com/smartlogon/smartlogon/card/driver"
	"github.com/smartlogon/smartlogon/internal/pcsclite"
	"github.com/smartlogon/smartlogon/internal/pcsclite/server"
	"github.com/smartlogon/smartlogon/internal/softcard/reader"
	"github.com/stretchr/testify/assert"
)

func TestVersion(t *testing.T) {
	tests := []struct {
		name         string
		minor        uint32 // of the server
		strict       bool
		major, asked uint32
		refused      bool
		minorWanted  uint32
	}{
		{"client of pcsc-lite 1.9", 0, false, 4, 4, false, 4},
		{"client of pcsc-lite 2.3", 0, false, 4, 5, false, 5},
		{"client of pcsc-lite 2.5", 0, false, 4, 6, false, 6},
		{"client of a later version", 0, false, 4, 7, false, 6},
		{"client too old", 0, false, 4, 3, true, 4},
		{"other major version", 0, false, 5, 6, true, 6},
		{"newer client, lenient server of 4.4", 4, false, 4, 6, false, 4},
		{"newer client, strict server of 4.4", 4, true, 4, 6, true, 4},
		{"older client, strict server of 4.6", 6, true, 4, 4, true, 6},
		{"same as the strict server", 5, true, 4, 5, false, 5},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := dial(t, serve(t, &server.Server{Readers: reader.New(), Minor: tt.minor, Strict: tt.strict}))
			v := pcsclite.Version{Major: tt.major, Minor: tt.asked}
			p.call(pcsclite.CmdVersion, &v)
			want := pcsclite.Version{Major: 4, Minor: tt.minorWanted}
			if tt.refused {
				want.Result = pcsclite.Code(driver.ServiceStopped)
			}
			assert.Equal(t, want, v)
		})
	}
}
