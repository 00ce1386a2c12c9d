// Package driver defines what a PC/SC backend implements, as database/sql/driver
// does for databases. Programs use package card; only who adds a way to reach
// readers (another service, a remote reader, a software reader) needs this one.
//
// A backend moves bytes and reports state. It does not chain, retry, parse or
// log: package card does, once for all backends.
//
// Errors of a backend are an [Errno], the error of a context, or wrap one of
// the two.
package driver
