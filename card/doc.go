// Package card talks to smart cards.
package card
