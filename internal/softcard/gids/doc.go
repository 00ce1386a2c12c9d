// Package gids is a software GIDS card application: the one of Windows' virtual
// smart cards and of tokens with the GidsApplet.
//
// It is written from Microsoft's driver documentation and from recorded
// exchanges of cards. With the client of this module it shares only
// internal/ber, so a misreading of the client is not repeated by the card.
//
// [New] returns an application with the file system of a new card. Tests fill it
// with [Application.Put], other programs with commands. [Config.Blank] is a card
// that was not initialized.
//
// # Sources and assumptions
//
// Files, access conditions, PIN, administrator's key, keys and RSA follow traces
// of the GidsApplet. Two things the applet allows to every caller are refused
// here: deleting a key, and using one after the PIN was logged out.
//
// Of a virtual smart card ([Config.TPM]) the ATR, the limits, and the writes of
// Windows are recorded. Its responses are assumed to be those of the applet, as
// the same Windows driver serves both. The identifiers of keys on elliptic curves
// are documented; that they sign with the scheme for blocks hashed by the host,
// and return two numbers of equal length, is assumed.
package gids
