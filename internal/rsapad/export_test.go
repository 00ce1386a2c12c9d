package rsapad

// Compared with crypto/rsa by the fuzz targets.
var (
	PadPKCS1        = padPKCS1
	PadPSS          = padPSS
	UnpadPKCS1      = unpadPKCS1
	UnpadSessionKey = unpadSessionKey
	UnpadOAEP       = unpadOAEP
)
