// Package rules decides, as Windows does when a card is inserted, whether a
// certificate is offered for sign-in, and says which rule decided.
//
// Most programs do one of three things:
//
//	found := rules.Check(der, rules.KeySpec{}, rules.Policy{}, time.Now())
//	found.Offered()                      // would Windows show it?
//	for _, f := range found { f.Detail() } // why, or why not
//
//	policy, err := rules.System()        // what this machine's administrator allows
//
// # Rules and verdicts
//
// Six rules are asked, always all of them and in the same order: [Validity],
// [KeySpecification], [UPN], [KeyUsage], [EKU], [ECC]. Each verdict is one of
// [Passed], [Failed], [Waived] (failed, but a policy lets it through) and
// [Unknown] (it cannot be read; counts as failed). A certificate is offered when
// every verdict is passed or waived.
//
// Check is pure: the clock and the policy are arguments, nothing is read from
// the machine, and no text is made until somebody asks for it. It takes
// certificates that crypto/x509 refuses: a field that cannot be read makes its
// own rule unknown and no other.
//
// # What it does not do
//
// It builds no chain, verifies no signature and asks nobody about revocation:
// neither does Windows before the PIN. That a certificate is offered does not
// mean that a domain controller or Entra accepts it.
package rules
