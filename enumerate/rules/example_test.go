package rules_test

import (
	"encoding/pem"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/smartlogon/smartlogon/enumerate/rules"
)

// read returns the certificate in a file of testdata.
func read(file string) []byte {
	text, err := os.ReadFile(filepath.Join("testdata", file))
	if err != nil {
		panic(err)
	}
	block, _ := pem.Decode(text)
	return block.Bytes
}

// Each rule has a verdict and a reason.
func ExampleCheck() {
	der := read("validity-expired.pem")
	at := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

	// The container map of a card says that this is the key exchange key.
	spec := rules.KeySpec{Kind: rules.KeyExchange}
	findings := rules.Check(der, spec, rules.Policy{}, at)
	fmt.Println("offered:", findings.Offered())
	for _, f := range findings {
		fmt.Printf("%-17s %s: %s\n", f.Rule, f.Verdict, f.Detail())
	}
	// Output:
	// offered: false
	// validity          failed: not valid after 2025-12-31T23:59:59Z; the clock says 2026-01-01T00:00:00Z
	// key-specification passed: AT_KEYEXCHANGE, says the container map
	// upn               passed: UPN "alice@example.com"
	// key-usage         passed: digitalSignature
	// eku               passed: smart card logon (1.3.6.1.4.1.311.20.2.2)
	// ecc               passed: RSA
}

// The policies that an administrator would have to enable.
func ExampleFindings_PoliciesNeeded() {
	at := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for _, file := range []string{"ecc-P-256.pem", "ecc-Ed25519.pem"} {
		findings := rules.Check(read(file), rules.KeySpec{Kind: rules.Signature}, rules.Policy{}, at)
		fmt.Println(findings.PoliciesNeeded())
	}
	// Output:
	// [AllowSignatureOnlyKeys EnumerateECCCerts] true
	// [] false
}

// A policy read from a registry export.
func ExampleParseReg() {
	policy, err := rules.ParseReg([]byte(`Windows Registry Editor Version 5.00

[HKEY_LOCAL_MACHINE\SOFTWARE\Policies\Microsoft\Windows\SmartCardCredentialProvider]
"EnumerateECCCerts"=dword:00000001
`))
	fmt.Println(policy.EnumerateECCCerts, err)

	_, err = rules.ParseReg([]byte(`Windows Registry Editor Version 5.00

[HKEY_LOCAL_MACHINE\SOFTWARE\Policies\Microsoft\Windows\SmartCardCredentialProvider]
"EnumerateECCCerts"="yes"
`))
	fmt.Println(err)
	// Output:
	// true <nil>
	// rules: registry export: line 4: policy EnumerateECCCerts is a REG_SZ, not a REG_DWORD of 0 or 1
}
