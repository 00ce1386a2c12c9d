// Package rules decides whether Windows would offer a certificate for smart card
// sign-in, and says why.
//
//	policy, err := rules.System() // the Group Policy of this machine
//	c, err := rules.Read(der)     // a certificate in DER; encoding/pem decodes PEM
//	findings := c.Check(rules.KeySpec{}, policy, time.Now())
//	if !findings.Offered() {
//		for _, f := range findings {
//			fmt.Println(f.Rule, f.Verdict, f.Detail(), f.Remedy())
//		}
//	}
//
// The function [Check] does the same in one step. A certificate file has the zero
// [KeySpec]; package enumerate has the one of a card.
//
// # Rules and verdicts
//
// All six rules are applied, in this order: [Validity], [KeySpecification],
// [UPN], [KeyUsage], [EKU], [ECC]. Each verdict is [Passed], [Failed], [Waived]
// (failed, but allowed by a policy) or [Unknown] (the field is malformed; counts
// as failed). A certificate is offered when every verdict is passed or waived.
//
// A seventh finding, [Encoding], is there only for a certificate with a malformed
// field that no rule reads. It is unknown, so the certificate is not offered.
//
// Check is a pure function: the clock and the policy are arguments, nothing is
// read from the machine, and texts are made on demand. Certificates that
// crypto/x509 refuses can be checked: a malformed field makes its own rule
// unknown and no other.
//
// # Limits
//
// The package builds no chain, verifies no signature and checks no revocation,
// as Windows does not before the PIN. A certificate that is offered may still be
// refused by a domain controller or by Entra ID. Package challenge verifies.
package rules
