// Package upn answers whom a certificate names, and which name Windows sends
// when that certificate signs a person in.
//
// Most programs do one of three things:
//
//	names := upn.Read(der)                          // every name in the certificate
//	name, err := upn.SignIn{}.Name(names)           // the name an Azure AD joined machine sends
//	same := upn.Equal(name.Value, "alice@corp.com") // compare names as Windows does
//
// # Three outcomes
//
// Reading a name ends in one of three ways: a name, no name, or malformed. A
// malformed name is never taken for an absent one, because then whoever can
// break one field of a certificate would choose which other field is used. So
// one fault anywhere in the subject alternative name makes all of it
// malformed: [Names.Err] is a [*MalformedError] and the lists are empty.
//
// A value is returned as the certificate has it: not trimmed, not folded, not
// normalised. What cannot be shown or compared safely (control and format
// characters, unassigned code points, a user part or suffix that is missing) is
// malformed instead.
//
// # Who signs in
//
// [SignIn] holds what the sign-in document of Microsoft says of Azure AD joined
// and hybrid joined machines: which source is asked, in which order, and when a
// person must type a hint. Every answer has its source and the sentence that it
// follows.
//
// # What it does not do
//
// It does not decide whether a certificate may sign in: that is package
// enumerate/rules. It verifies no signature and knows no directory: mappings of
// certificates to accounts are package upn/mapping. It never takes a name from
// the subject: an E= or CN= is nobody's name.
package upn
