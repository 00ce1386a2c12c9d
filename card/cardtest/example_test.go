package cardtest_test

import (
	"context"
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"
	"os"

	"github.com/smartlogon/smartlogon/card"
	"github.com/smartlogon/smartlogon/card/cardtest"
	"github.com/smartlogon/smartlogon/piv"
)

// Login is the program under test. It signs with the card in the first reader and
// returns the common name of the certificate.
func Login(ctx context.Context, svc *card.Service, pin card.PINFunc) (string, error) {
	readers, err := svc.Readers(ctx)
	if err != nil || len(readers) == 0 {
		return "", errors.Join(err, card.ErrNoReader)
	}
	c, err := svc.Card(ctx, readers[0].Name)
	if err != nil {
		return "", err
	}
	entry, err := piv.New(c).Certificate(ctx, piv.Authentication)
	if err != nil {
		return "", err
	}
	certificate, err := x509.ParseCertificate(entry.Raw)
	if err != nil {
		return "", err
	}
	key, err := piv.New(c).Key(ctx, piv.Authentication, certificate.PublicKey, pin)
	if err != nil {
		return "", err
	}
	defer key.Close()
	digest := sha256.Sum256([]byte("a challenge"))
	signature, err := key.Sign(nil, digest[:], crypto.SHA256)
	if err != nil {
		return "", err
	}
	err = rsa.VerifyPKCS1v15(certificate.PublicKey.(*rsa.PublicKey), crypto.SHA256, digest[:], signature)
	return certificate.Subject.CommonName, err
}

// A test of a program that signs in with a card. In a test function, use t.Context()
// and compare what is printed here.
func Example() {
	svc := cardtest.NewService(cardtest.Logon("alice@example.com"))
	defer svc.Close()
	who, err := Login(context.Background(), svc, card.FixedPIN(cardtest.PIN))
	fmt.Println(who, err)
	// Output: alice <nil>
}

// The program is given a wrong PIN. It must spend only one try.
func ExampleCard_RetriesLeft() {
	alice := cardtest.Logon("alice@example.com")
	svc := cardtest.NewService(alice)
	defer svc.Close()
	_, err := Login(context.Background(), svc, card.FixedPIN("654321"))
	fmt.Println("refused:", errors.Is(err, card.ErrWrongPIN))
	fmt.Println("retries left:", alice.RetriesLeft())
	fmt.Println("writes:", alice.Writes())
	// Output:
	// refused: true
	// retries left: 2
	// writes: 0
}

// The card is removed at the third command.
func ExampleReaders_Fault() {
	readers := cardtest.NewReaders(cardtest.Logon("alice@example.com"))
	defer readers.Close()
	readers.Fault("Software Reader 00", 3, cardtest.Fault{What: cardtest.Removal})

	svc := readers.Service()
	defer svc.Close()
	_, err := Login(context.Background(), svc, card.FixedPIN(cardtest.PIN))
	fmt.Println(errors.Is(err, card.ErrRemoved))
	fmt.Println(card.Hint(err) != "")
	// Output:
	// true
	// true
}

// A certificate that Windows does not accept for signing in, on a card with few
// features.
func ExampleCA_Issue() {
	key, certificate := cardtest.TestCA().Issue(cardtest.Leaf{
		Key:    cardtest.Key(cardtest.P256, 0),
		UPNs:   []string{"bob@example.com"},
		Emails: []string{"bob@mail.example"},
		EKUs:   []string{cardtest.ClientAuth},
	})
	bob := cardtest.PIV(cardtest.ShortLengths, cardtest.PIVNoDiscovery, cardtest.MaxRetries(5))
	bob.Put("9A", key, certificate)

	parsed, err := x509.ParseCertificate(certificate)
	fmt.Println(parsed.Subject, parsed.EmailAddresses, parsed.PublicKeyAlgorithm, err)
	fmt.Println("retries:", bob.RetriesLeft())
	// Output:
	// CN=bob [bob@mail.example] ECDSA <nil>
	// retries: 5
}

func ExampleReaders_Trace() {
	neighbor := cardtest.NewNeighbor([]byte{0xF0, 1, 2, 3, 4, 5}, "9999")
	readers := cardtest.NewReaders(cardtest.PIV(neighbor))
	defer readers.Close()
	readers.Trace(os.Stdout)

	svc := readers.Service()
	defer svc.Close()
	ctx := context.Background()
	c, err := svc.Card(ctx, "Software Reader 00")
	if err != nil {
		fmt.Println(err)
		return
	}
	err = c.Do(ctx, func(tx *card.Tx) error {
		if _, err := tx.Select(neighbor.AID()); err != nil {
			return err
		}
		_, err := tx.Command(card.Command{INS: 0x20, P2: 0x80, Data: []byte("1234\xFF\xFF\xFF\xFF")})
		return err
	})
	fmt.Println(err != nil, neighbor.RetriesLeft())
	// Output:
	// > 00A4040006F0010203040500  SELECT F00102030405
	// < 6F088406F001020304059000  10 bytes, OK
	// > 0020008008****************  VERIFY 80: PIN
	// < 63C2  2 retries left
	// true 2
}

// A virtual smart card with a key exchange key and a signature key.
func ExampleTPM() {
	ca := cardtest.TestCA()
	key, certificate := ca.Issue(cardtest.Leaf{UPNs: []string{"alice@example.com"}})
	signKey, signCertificate := ca.Issue(cardtest.Leaf{Key: cardtest.Key(cardtest.RSA2048, 1), Emails: []string{"alice@example.com"}})
	c := cardtest.TPM().Put("kxc00", key, certificate).Put("ksc01", signKey, signCertificate)

	fmt.Printf("%X\n", c.ATR())
	fmt.Println(c.RetriesLeft(), len(c.File("mscp/cmapfile")), c.File("mscp/kxc02") == nil)
	// Output:
	// 3B8D0180FBA000000397425446590401CF
	// 3 172 true
}

// A card with two applications, each with a PIN of its own.
func ExampleCombine() {
	virtual := cardtest.GIDS(cardtest.RetriesLeft(1))
	both := cardtest.Combine(cardtest.Logon("alice@example.com"), virtual)
	fmt.Println("PIV:", both.RetriesLeft(), "GIDS:", virtual.RetriesLeft())
	// Output:
	// PIV: 3 GIDS: 1
}

func ExampleModel() {
	soft := cardtest.Model("gd-sce7") // a card whose identifier has another spelling
	fmt.Println(soft.RetriesLeft())
	for _, f := range cardtest.ModelFacts("gd-sce7")[:2] {
		fmt.Println(f.Property, f.Value, f.Evidence, f.Source)
	}
	// Output:
	// 3
	// ATR 3BF99600008031FE4553434537200F0020464E recorded github.com/OpenSC/OpenSC/pull/3702
	// protocol T=1 assumed
}
