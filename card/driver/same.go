package driver

import (
	"bytes"
	"slices"
)

// SameCards reports whether two lists of readers are equal as [Service].Wait
// compares them: in number, Name, Events, Present, Mute and ATR.
func SameCards(a, b []Reader) bool {
	return slices.EqualFunc(a, b, func(a, b Reader) bool {
		return a.Name == b.Name && a.Events == b.Events && a.Present == b.Present &&
			a.Mute == b.Mute && bytes.Equal(a.ATR, b.ATR)
	})
}
