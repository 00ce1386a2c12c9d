package mapping_test

import (
	"encoding/pem"
	"errors"
	"fmt"
	"log"
	"os"

	"github.com/smartlogon/smartlogon/upn/mapping"
)

// Of lists the values for altSecurityIdentities. Of the strong ones, issuer and
// serial number is the usual choice.
func ExampleOf() {
	list, err := mapping.Of(certificate(), mapping.ActiveDirectory)
	if err != nil {
		log.Fatal(err)
	}
	for _, s := range list {
		if s.Strong() && s.Preferred {
			fmt.Println(s.Kind, s)
			if s.Doubt != 0 {
				fmt.Println("  in doubt:", s.Doubt)
			}
		}
	}
	// Output:
	// ISR X509:<I>DC=com,DC=contoso,CN=CONTOSO-DC-CA<SR>b24134139f069b49997212a86ba0ef48
	// SKI X509:<SKI>eec6b88788d2770a01e01775ce71f1125cd6ad0f
	// SHA1PUKEY X509:<SHA1-PUKEY>ffa0331797abe9a75809efe5787a234c2a0e5797
	//   in doubt: key-hash
}

// Match compares a certificate with the account that the sign-in name selected, by
// the bindings of the tenant.
func ExampleMatch() {
	bindings := []mapping.Binding{
		{Field: mapping.SKI, Attribute: mapping.CertificateUserIDs, Priority: 1},
		{Field: mapping.PrincipalName, Attribute: mapping.UserPrincipalName, Priority: 2},
	}
	bob := mapping.Account{
		UPN:                "bob@contoso.com",
		CertificateUserIDs: []string{"X509:<SKI>eec6b88788d2770a01e01775ce71f1125cd6ad0f"},
	}
	m, err := mapping.Match(bob, bindings, certificate(), true)
	fmt.Println(m, m.Strong(), err)

	eve := mapping.Account{UPN: "eve@contoso.com"}
	_, err = mapping.Match(eve, bindings, certificate(), false)
	var failed *mapping.MatchError
	if errors.As(err, &failed) {
		for _, a := range failed.Attempts {
			fmt.Println(a.Binding.Field, a.Outcome)
		}
	}
	// Output:
	// X509:<SKI>eec6b88788d2770a01e01775ce71f1125cd6ad0f true <nil>
	// SKI not set
	// PN different
}

// A domain controller refuses a certificate that only its name ties to the account.
func ExampleController_Judge() {
	bob := mapping.Account{UPN: "bob@contoso.com", SID: "S-1-5-21-1-2-3-1105"}
	judge := func() {
		j, err := mapping.Controller{}.Judge(bob, certificate(), nil)
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(j.Answer, j.Answer.Accepted(), j.Answer.Event(), j.Mapping)
	}
	judge()
	bob.AltSecurityIdentities = []string{"X509:<I>DC=com,DC=contoso,CN=CONTOSO-DC-CA<SR>b24134139f069b49997212a86ba0ef48"}
	judge()
	// Output:
	// weak, refused false 39 X509:<PN>bob@contoso.com
	// strong true 0 X509:<I>DC=com,DC=contoso,CN=CONTOSO-DC-CA<SR>b24134139f069b49997212a86ba0ef48
}

func ExampleParse() {
	m, err := mapping.Parse("X509:<I>DC=com,DC=contoso,CN=CONTOSO-DC-CA<SR>b24134139f069b49997212a86ba0ef48")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(m.Kind, m.Issuer, m.Value, m.Strong())

	_, err = mapping.Parse("x509:<SKI>12ab")
	fmt.Println(err)
	// Output:
	// ISR DC=com,DC=contoso,CN=CONTOSO-DC-CA b24134139f069b49997212a86ba0ef48 true
	// mapping: "x509:<SKI>12ab": does not begin with "X509:"
}

// certificate returns a certificate for bob@contoso.com without a security
// identifier.
func certificate() []byte {
	text, err := os.ReadFile("testdata/bob.pem")
	if err != nil {
		log.Fatal(err)
	}
	block, _ := pem.Decode(text)
	return block.Bytes
}
