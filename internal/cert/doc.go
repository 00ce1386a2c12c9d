// Package cert reads the fields of a certificate (RFC 5280, 4.1) that decide on
// a sign-in: names, dates, key, extensions.
//
// It exists beside crypto/x509 because that package refuses whole certificates
// that Windows shows, and drops what the decision rests on: otherNames, bytes
// after the subject alternative name, which of two equal extensions was meant.
//
// [Parse] walks the outer Certificate and the TBSCertificate and fails only
// where those cannot be walked. Everything below is read when it is asked for,
// and a fault in it is a fault of that field alone. Nothing is copied: fields
// point into the input. Nothing recurses, and the input is at most [MaxSize].
//
// No signature is verified here.
package cert
