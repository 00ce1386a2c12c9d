// Package cert reads the fields of a certificate (RFC 5280, 4.1) that a sign-in
// depends on: names, dates, key, extensions.
//
// It does not use crypto/x509, which refuses certificates that Windows accepts
// and drops data that the decision needs: otherNames, bytes after the subject
// alternative name, duplicate extensions.
//
// [Parse] reads the elements of Certificate and TBSCertificate, and fails only if
// these are malformed. The fields are decoded by methods, so that a malformed
// field does not hide the others. Fields point into the input; nothing is copied.
// Nothing recurses, and the input is limited to [MaxSize].
//
// The package verifies no signature.
package cert
