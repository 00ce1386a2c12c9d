package cardtest

import "github.com/smartlogon/smartlogon/internal/softcard/piv"

// AttestationRoot is the certificate, DER, of the authority under which software
// YubiKeys attest their keys. On real ones that is Yubico's.
func AttestationRoot() []byte { return piv.AttestationRoot() }
