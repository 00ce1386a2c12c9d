// Package softkdc is a Kerberos KDC for tests. It signs users in with PKINIT (RFC
// 4556) and renews their tickets; it issues no tickets for services.
//
// It is written from the RFCs and shares no code with package pkinit, so that a
// misreading in one is not hidden by the same misreading in the other. A test can
// change each field of a reply, and each byte.
package softkdc
