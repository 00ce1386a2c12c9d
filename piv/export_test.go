package piv

// What the fuzz targets reach beside the exported interface: each takes bytes
// that come from the card.
var (
	DecodeCertificate = decodeCertificate
	DecodeCHUID       = decodeCHUID
	DecodeCCC         = decodeCCC
	DecodeDiscovery   = decodeDiscovery
	DecodeKeyHistory  = decodeKeyHistory
	DecodeContainers  = decodeContainers
	DecodeRoots       = decodeRoots
	Unwrap            = unwrap
	IsOther           = isOther
)

// Authenticate proves the management key in a section of a test.
var Authenticate = ManagementKey.authenticate

// What the administration reads of a card's answers.
var (
	DecodeMetadata  = decodeMetadata
	DecodePublicKey = decodePublicKey
	SerialNumber    = serialNumber
	AlgorithmOf     = algorithmOf
)
