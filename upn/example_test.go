package upn_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/smartlogon/smartlogon/upn"
)

// Read has three outcomes: names, no names, or malformed.
func ExampleRead() {
	for _, file := range []string{"alice.der", "subject-only.der", "zero-byte.der"} {
		der, err := os.ReadFile(filepath.Join("testdata", file))
		if err != nil {
			fmt.Println(err)
			return
		}
		switch names := upn.Read(der); {
		case names.Err != nil:
			fmt.Println("malformed:", names.Err)
		case len(names.UPNs) == 0:
			fmt.Println("no name, only", names.Subject)
		default:
			fmt.Println(names.UPNs[0])
		}
	}
	// Output:
	// alice@example.com
	// no name, only CN=alice@example.com
	// malformed: upn: userPrincipalName at byte 475: "root@example.com\x00.evil.test" has the character U+0000, which cannot be shown
}

// Windows requires a hint if the certificate has no name to send.
func ExampleSignIn_Name() {
	names := upn.Names{Subject: "CN=Alice"}
	name, err := upn.SignIn{}.Name(names)
	if errors.Is(err, upn.ErrHintRequired) {
		fmt.Println(name.Source)
		name, err = upn.SignIn{Hint: "alice@example.com"}.Name(names)
	}
	fmt.Println(name.Value, err)
	fmt.Println(name.Sentence())
	// Output:
	// hint-required
	// alice@example.com <nil>
	// A user name hint that the user gives is always sent.
}

// A hybrid joined machine sends the UPN in Active Directory.
func ExampleSignIn_Matrix() {
	names := upn.Names{UPNs: []string{"alice@example.com"}}
	m, err := upn.SignIn{ADUPN: "alice@woodgrove.local"}.Matrix(names)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(m.Joined.First.Value, m.Joined.First.Source)
	fmt.Println(m.Hybrid.First.Value, m.Hybrid.First.Source)
	fmt.Println(m.Hybrid.First.Account())
	// Output:
	// alice@example.com upn
	// alice@woodgrove.local ad-upn
	// [onPremisesUserPrincipalName] true
}
