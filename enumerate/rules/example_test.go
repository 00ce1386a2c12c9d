package rules_test

import (
	"encoding/pem"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/smartlogon/smartlogon/enumerate/rules"
)

// read is the certificate of a file in testdata.
func read(file string) []byte {
	text, err := os.ReadFile(filepath.Join("testdata", file))
	if err != nil {
		panic(err)
	}
	block, _ := pem.Decode(text)
	return block.Bytes
}

// Every rule is asked, and each says what it found.
func ExampleCheck() {
	der := read("validity-expired.pem")
	at := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

	found := rules.Check(der, rules.KeySpec{Kind: rules.KeyExchange}, rules.Policy{}, at)
	fmt.Println("offered:", found.Offered())
	for _, f := range found {
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

// What an administrator would have to allow.
func ExampleFindings_PoliciesNeeded() {
	at := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for _, file := range []string{"ecc-P-256.pem", "ecc-Ed25519.pem"} {
		found := rules.Check(read(file), rules.KeySpec{Kind: rules.Signature}, rules.Policy{}, at)
		fmt.Println(found.PoliciesNeeded())
	}
	// Output:
	// [AllowSignatureOnlyKeys EnumerateECCCerts] true
	// [] false
}

// Policies can be read from what regedit exports.
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
