package mapping

import "strings"

// A Doubt is a set of reasons to check a mapping. Mostly they are points on which
// the documents are silent or disagree, so that a mapping has several spellings.
type Doubt uint

const (
	// Quoting: Windows quotes a value that contains one of , + = " < > # ; or
	// begins or ends with a space. Whether the directory does is not documented.
	Quoting Doubt = 1 << iota
	// PlusSign: Microsoft's script and published examples join the attributes
	// of a relative name with a space; Windows displays " + ".
	PlusSign
	// TypeName: Windows writes S=, E= and OID.1.2.3=; other programs write ST=,
	// emailAddress= and 1.2.3=.
	TypeName
	// Blanks: an example in the Entra documentation omits the spaces inside
	// values.
	Blanks
	// KeyHash: in Active Directory, <SHA1-PUKEY> is the hash of the public key by
	// MS-PKCA, which does not state whether that includes the algorithm, and the
	// thumbprint of the certificate by other guidance and scripts.
	KeyHash
	// NegativeSerial: the serial number begins with a byte FF, which CryptoAPI
	// is documented to remove.
	NegativeSerial
	// SeveralValues: the certificate has several values. Microsoft's script uses
	// the first.
	SeveralValues
	// SIDConflict: the certificate has different security identifiers in the
	// extension and in the URI. Domain controllers use that of the extension.
	SIDConflict
)

var doubtNames = [...]string{"quoting", "plus-sign", "type-name", "blanks", "key-hash", "negative-serial", "several-values", "sid-conflict"}

// String returns the names of the points: "quoting,blanks".
func (d Doubt) String() string {
	var names []string
	for i, name := range doubtNames {
		if d&(1<<i) != 0 {
			names = append(names, name)
		}
	}
	return strings.Join(names, ",")
}

// loose are the doubts whose other spelling certificates with different names may
// share. Such a spelling is listed but never matches.
const loose = Quoting | Blanks

// A Spelling is a way to write a mapping of a certificate.
type Spelling struct {
	Mapping

	// Doubt is 0 if there is only one spelling. Otherwise it is every point in
	// doubt for the preferred spelling, and for another one the point in which
	// it differs from the preferred.
	Doubt Doubt

	// Preferred marks the first spelling of its kind.
	Preferred bool
}
