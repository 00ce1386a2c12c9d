package faultmatrix

// expectedFailures are the operations, as row/operation, that the client does wrong
// without any fault, with what is missing. Run leaves them out. An empty operation
// stands for all of a row.
var expectedFailures = map[string]string{
	"gemalto-nist/":                 "6A80 for an absent object",
	"openfips201/put a certificate": "no empty element 82 in the second step of mutual authentication",
	"openfips201/generate a key":    "no empty element 82 in the second step of mutual authentication",
}

func expectedFailure(row Card, op Operation) (reason string, ok bool) {
	if reason, ok = expectedFailures[row.Name+"/"]; ok {
		return reason, true
	}
	reason, ok = expectedFailures[row.Name+"/"+op.Name]
	return reason, ok
}
