package piv

import "github.com/smartlogon/smartlogon/internal/fault"

// ReachOf returns how far an error reaches.
var ReachOf = fault.ReachOf

// The decoders of data from the card.
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

// Authenticate authenticates with the management key in a transaction of a test.
var Authenticate = ManagementKey.authenticate

// The decoders of responses to administrative commands.
var (
	DecodeMetadata  = decodeMetadata
	DecodePublicKey = decodePublicKey
	SerialNumber    = serialNumber
	AlgorithmOf     = algorithmOf
)
