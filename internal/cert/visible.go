package cert

import (
	"unicode"
	"unicode/utf8"
)

// Visible reports whether a character displays something. Spaces do. Control,
// format, private-use and unassigned code points do not, nor do those with the
// property Default_Ignorable_Code_Point and those with a blank glyph.
func Visible(r rune) bool {
	if r < utf8.RuneSelf { // most are
		return ' ' <= r && r < 0x7F
	}
	// Default_Ignorable_Code_Point is these two and format characters, which are
	// not graphic (Unicode, DerivedCoreProperties.txt).
	return unicode.IsGraphic(r) &&
		!unicode.In(r, unicode.Other_Default_Ignorable_Code_Point, unicode.Variation_Selector, blankGlyphs)
}

// blankGlyphs are letters, marks and symbols with a blank glyph that no property
// tells apart.
var blankGlyphs = &unicode.RangeTable{
	R16: []unicode.Range16{
		{Lo: 0x2800, Hi: 0x2800, Stride: 1}, // BRAILLE PATTERN BLANK
		{Lo: 0x303F, Hi: 0x303F, Stride: 1}, // IDEOGRAPHIC HALF FILL SPACE
		{Lo: 0xFFFC, Hi: 0xFFFC, Stride: 1}, // OBJECT REPLACEMENT CHARACTER
	},
	R32: []unicode.Range32{
		{Lo: 0x1107F, Hi: 0x1107F, Stride: 1}, // BRAHMI NUMBER JOINER
		{Lo: 0x13441, Hi: 0x13442, Stride: 1}, // EGYPTIAN HIEROGLYPH FULL BLANK, HALF BLANK
		{Lo: 0x16FE4, Hi: 0x16FE4, Stride: 1}, // KHITAN SMALL SCRIPT FILLER
		{Lo: 0x1D159, Hi: 0x1D159, Stride: 1}, // MUSICAL SYMBOL NULL NOTEHEAD
	},
}
