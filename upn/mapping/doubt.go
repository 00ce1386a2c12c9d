package mapping

import "strings"

// A Doubt is a set of points that no document settles, so that a mapping may be
// spelled in more than one way.
type Doubt uint

const (
	// Quoting: Windows quotes a value with one of , + = " < > # ; in it or a
	// blank at an end. Nobody says whether the directory does.
	Quoting Doubt = 1 << iota
	// PlusSign: the parts of a relative name with several attributes are joined
	// by a blank, as Microsoft's script and published examples have it; by
	// " + " in what Windows shows.
	PlusSign
	// TypeName: Windows writes S=, E= and OID.1.2.3=, other programs ST=,
	// emailAddress= and 1.2.3=.
	TypeName
	// Blanks: an example in the documentation of Entra has no blanks inside a
	// value where the certificate has them.
	Blanks
	// KeyHash: <SHA1-PUKEY> in Active Directory is the hash of the public key by
	// MS-PKCA, which leaves open whether the algorithm is part of it, and the
	// thumbprint of the certificate in guidance and scripts.
	KeyHash
	// NegativeSerial: the serial number begins with a byte FF, which CryptoAPI
	// is documented to remove.
	NegativeSerial
	// SeveralValues: the certificate has several. The first is the one that
	// Microsoft's script takes.
	SeveralValues
)

var doubtNames = [...]string{"quoting", "plus-sign", "type-name", "blanks", "key-hash", "negative-serial", "several-values"}

// String names the points: "quoting,blanks". It is empty where nothing is in
// doubt.
func (d Doubt) String() string {
	var names []string
	for i, name := range doubtNames {
		if d&(1<<i) != 0 {
			names = append(names, name)
		}
	}
	return strings.Join(names, ",")
}

// loose are the doubts whose other spelling two different certificates may
// share. It is offered to people and never used to decide.
const loose = Quoting | Blanks

// A Spelling is one way to write a mapping of a certificate.
type Spelling struct {
	Mapping

	// Doubt is 0 where there is one way. Otherwise, in the spelling to prefer,
	// it is every point that is in doubt, and in any other the point in which
	// it differs from that.
	Doubt Doubt

	// Preferred tells the first spelling of its kind from the others.
	Preferred bool
}
