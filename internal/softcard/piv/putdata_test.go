package piv_test

import (
	"encoding/hex"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/smartlogon/smartlogon/internal/softcard/piv"
)

func TestPutData(t *testing.T) {
	discovery := func(policy string) string { return "7e12" + "4f0ba000000308000010000100" + "5f2f02" + policy }
	tests := []struct {
		name, data, want string
		tag              uint32
		value            string
	}{
		{"object", "5c035fc1015302fe00", "9000", 0x5FC101, "fe00"},
		{"retired certificate", "5c035fc1205302fe00", "9000", 0x5FC120, "fe00"},
		{"empty value removes", "5c035fc1025300", "9000", 0x5FC102, ""},
		{"discovery object", discovery("6020"), "9000", 0x7E, discovery("6020")[4:]},
		{"discovery object without a policy", "7e0d4f0ba000000308000010000100", "6a80", 0x7E, discovery("4000")[4:]},
		{"discovery object of another application", strings.Replace(discovery("4000"), "0308", "0309", 1), "6a80", 0x7E, discovery("4000")[4:]},
		{"discovery object without the application PIN", discovery("2000"), "6a80", 0x7E, discovery("4000")[4:]},
		{"discovery object with an undefined primary PIN", discovery("6000"), "6a80", 0x7E, discovery("4000")[4:]},
		{"discovery object with a missing primary PIN", discovery("4020"), "6a80", 0x7E, discovery("4000")[4:]},
		{"discovery object in 53", "5c017e5302fe00", "6a80", 0x7E, discovery("4000")[4:]},
		{"data after the discovery object", discovery("4000") + "00", "6a80", 0x7E, discovery("4000")[4:]},
		{"biometric group template", "7f6103020100", "9000", 0x7F61, "020100"},
		{"object undefined by the standard", "5c035fc1245302fe00", "6a82", 0x5FC124, ""},
		{"no value", "5c035fc101", "6a80", 0x5FC101, ""},
		{"value in another tag", "5c035fc1015402fe00", "6a80", 0x5FC101, ""},
		{"data after the value", "5c035fc1015302fe0000", "6a80", 0x5FC101, ""},
		{"no tag list", "5302fe00", "6a80", 0x5FC101, ""},
		{"no data", "", "6a80", 0x5FC101, ""},
		{"longest value", "5c035fc1015340" + strings.Repeat("00", 64), "9000", 0x5FC101, strings.Repeat("00", 64)},
		{"longer value", "5c035fc1015341" + strings.Repeat("00", 65), "6a84", 0x5FC101, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := newCard(t, piv.Config{MaxObject: 64})
			require.Equal(t, "9000", authenticateAdmin(c))
			assert.Equal(t, tt.want, c.send(command(0xDB, 0x3F, 0xFF, unhex(t, tt.data))))
			assert.Equal(t, tt.value, hex.EncodeToString(c.app.Object(tt.tag)))
		})
	}
	c := newCard(t, piv.Config{})
	authenticateAdmin(c)
	assert.Equal(t, "6a86", c.send("00db3f00095c035fc1015302fe00"))
	large := tlv(0x53, make([]byte, 16384))
	assert.Equal(t, "9000", c.send(command(0xDB, 0x3F, 0xFF, append(unhex(t, "5c035fc101"), large...))), "16 KiB with the default MaxObject")
	assert.Equal(t, "9000", c.send("10db3fff055c035fc105"), "chained")
	assert.Equal(t, "9000", c.send("00db3fff045302fe00"))
	assert.Equal(t, "5302fe009000", c.send(getDataCommand(0x5FC105)))
}
