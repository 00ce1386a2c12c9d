// Package gids is a GIDS card application made of software: what virtual smart
// cards of Windows speak, and tokens with the GidsApplet.
//
// It is written from Microsoft's driver documentation and from what programs and
// cards are seen to say to each other, not from the client of this module, with
// which it shares internal/ber only.
//
// [New] makes an application with the file system that a new card has. Tests fill
// it with [Application.Put], foreign programs with the commands for it. A [Config]
// with Blank set is a card that nobody has set up.
//
// # What is known, and what is assumed
//
// As a GidsApplet answers is known from its traces: files, access conditions, PIN,
// administrator key, keys, RSA. The card is stricter than the applet on purpose where
// that lets everybody delete a key, or use one after the PIN was forgotten.
//
// A virtual smart card (Config.TPM) is known by its answer to reset, its limits and
// what Windows writes; that it answers commands as the applet does is assumed, as one
// driver of Windows serves both. Keys on elliptic curves have known identifiers. That
// they sign with the identifier for blocks which the host has hashed, and answer with
// two numbers of equal length, is assumed.
package gids
