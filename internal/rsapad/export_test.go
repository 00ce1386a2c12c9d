package rsapad

// What the fuzz targets measure against crypto/rsa.
var (
	PadPKCS1        = padPKCS1
	PadPSS          = padPSS
	UnpadPKCS1      = unpadPKCS1
	UnpadSessionKey = unpadSessionKey
	UnpadOAEP       = unpadOAEP
)
