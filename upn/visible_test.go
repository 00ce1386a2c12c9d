package upn_test

import (
	"fmt"
	"testing"

	"github.com/smartlogon/smartlogon/internal/cert/certtest"
	"github.com/smartlogon/smartlogon/upn"
	"github.com/stretchr/testify/assert"
)

// TestInvisibleCharacters has the ranges of the Unicode Character Database by
// property, and the characters with a blank glyph.
func TestInvisibleCharacters(t *testing.T) {
	tests := []struct {
		name   string
		lo, hi rune
	}{
		{"Default_Ignorable_Code_Point", 0x00AD, 0x00AD},
		{"Default_Ignorable_Code_Point", 0x034F, 0x034F},
		{"Default_Ignorable_Code_Point", 0x061C, 0x061C},
		{"Default_Ignorable_Code_Point", 0x115F, 0x1160}, // Hangul fillers
		{"Default_Ignorable_Code_Point", 0x17B4, 0x17B5},
		{"Default_Ignorable_Code_Point", 0x180B, 0x180F},
		{"Default_Ignorable_Code_Point", 0x200B, 0x200F},
		{"Default_Ignorable_Code_Point", 0x202A, 0x202E},
		{"Default_Ignorable_Code_Point", 0x2060, 0x206F},
		{"Default_Ignorable_Code_Point", 0x3164, 0x3164}, // Hangul filler
		{"Default_Ignorable_Code_Point", 0xFE00, 0xFE0F},
		{"Default_Ignorable_Code_Point", 0xFEFF, 0xFEFF},
		{"Default_Ignorable_Code_Point", 0xFFA0, 0xFFA0}, // Hangul filler
		{"Default_Ignorable_Code_Point", 0xFFF0, 0xFFF8},
		{"Default_Ignorable_Code_Point", 0x1BCA0, 0x1BCA3},
		{"Default_Ignorable_Code_Point", 0x1D173, 0x1D17A},
		{"Default_Ignorable_Code_Point", 0xE0000, 0xE0FFF},

		{"White_Space", 0x0009, 0x000D},
		{"White_Space", 0x0085, 0x0085},
		{"White_Space", 0x00A0, 0x00A0},
		{"White_Space", 0x1680, 0x1680},
		{"White_Space", 0x2000, 0x200A},
		{"White_Space", 0x2028, 0x2029},
		{"White_Space", 0x202F, 0x202F},
		{"White_Space", 0x205F, 0x205F},
		{"White_Space", 0x3000, 0x3000},

		{"blank glyph", 0x2800, 0x2800},
		{"blank glyph", 0x303F, 0x303F},
		{"blank glyph", 0xFFFC, 0xFFFC},
		{"blank glyph", 0x1107F, 0x1107F},
		{"blank glyph", 0x13441, 0x13442},
		{"blank glyph", 0x16FE4, 0x16FE4},
		{"blank glyph", 0x1D159, 0x1D159},

		{"control", 0x0000, 0x001F},
		{"control", 0x007F, 0x009F},
		{"format", 0x0600, 0x0605},
		{"format", 0x06DD, 0x06DD},
		{"format", 0xFFF9, 0xFFFB},
		{"format", 0x13430, 0x1343F},
		{"private use", 0xE000, 0xF8FF},
		{"noncharacter", 0xFDD0, 0xFDEF},
		{"noncharacter", 0x10FFFE, 0x10FFFF},
	}
	for _, tt := range tests {
		t.Run(fmt.Sprintf("%s %04X-%04X", tt.name, tt.lo, tt.hi), func(t *testing.T) {
			for r := tt.lo; r <= tt.hi; r++ {
				name := "a" + string(r) + "b@example.com"
				names := upn.ReadSAN(certtest.Sequence(certtest.UPN(name)))
				want := fmt.Sprintf("has the character %U, which cannot be shown", r)
				assert.ErrorContains(t, names.Err, want)
				_, err := upn.SignIn{Hint: name}.Name(upn.Names{})
				assert.ErrorContains(t, err, want)
				_, err = upn.SignIn{Hint: `EXAMPLE\a` + string(r) + "b"}.Name(upn.Names{})
				assert.ErrorContains(t, err, want)
			}
		})
	}
}

func TestVisibleCharacters(t *testing.T) {
	for _, r := range " !~\u00A1\u00E9\u0301\u0416\u05D0\u0639\u0915\u094D\u0E01\u17D2\u2423\u2581\u27FF\u2801\u303E\u30A2\u4E00\uAC00\uFFFD\U0001F600" {
		name := "a" + string(r) + "b@example.com"
		names := upn.ReadSAN(certtest.Sequence(certtest.UPN(name)))
		assert.NoError(t, names.Err, "%U", r)
		assert.Equal(t, []string{name}, names.UPNs)
	}
}
