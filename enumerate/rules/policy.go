package rules

// Policy holds the Group Policy values of smart card sign-in. Its zero value is
// Windows as installed. Names in JSON are those of the registry.
type Policy struct {
	AllowCertificatesWithNoEKU    bool
	AllowSignatureOnlyKeys        bool
	AllowTimeInvalidCertificates  bool
	EnumerateECCCerts             bool
	FilterDuplicateCerts          bool
	ForceReadingAllCertificates   bool
	X509HintsNeeded               bool
	ReverseSubject                bool
	AllowIntegratedUnblock        bool
	IntegratedUnblockPromptString string
}

// System is the policy of this machine, read from the registry; the zero Policy
// on systems other than Windows.
func System() (Policy, error) { return Policy{}, nil }
