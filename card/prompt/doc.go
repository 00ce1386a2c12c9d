// Package prompt has the usual ways to get a PIN: from a person at a terminal,
// or from an environment variable. Each is a [card.PINFunc].
package prompt
