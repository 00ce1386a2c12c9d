package cardtest

import (
	"bytes"
	"fmt"
)

// chained is the bit of CLA in every part of a chain but the last.
const chained = 0x10

// Instructions, key references and parameters with a meaning in a trace.
const (
	insVerify         = 0x20
	insManageSecurity = 0x22
	insPerform        = 0x2A
	insChange         = 0x24
	insUnblock        = 0x2C
	insGenerate       = 0x47
	insAuthenticate   = 0x87
	insSelect         = 0xA4
	insGetResponse    = 0xC0
	insGetData        = 0xCB
	insPutData        = 0xDB
	insMetadata       = 0xF7
	insImport         = 0xFE
	insSetManagement  = 0xFF
	managementKey     = 0x9B
	keyManagement     = 0x9D
	firstRetired      = 0x82
	lastRetired       = 0x95
	decipher          = 0x86 // P2 of PERFORM SECURITY OPERATION
	logOutGIDS        = 0x82 // P2 of VERIFY
	importedKey       = 0x70 // first tag of a GIDS key to import
	printedInfoObject = "\x5C\x03\x5F\xC1\x09"
)

// mark reports whether the data of a command is secret, and remembers whether the
// response is.
func (t *trace) mark(c []byte) (secret bool) {
	ins, p2 := c[1], c[3]
	if ins == insGetResponse {
		return false // the response is as secret as the one before
	}
	if t.chain == ins {
		secret = true
	} else {
		t.maskResponse = false
		switch {
		case ins == insVerify || ins == insChange || ins == insUnblock || ins == insImport || ins == insSetManagement:
			secret = true
		case ins == insAuthenticate && (p2 == 0 || p2 == managementKey || p2 == keyManagement || firstRetired <= p2 && p2 <= lastRetired):
			// Decryption and key agreement return key material, and the
			// response to a challenge allows an offline search for the
			// administrator's key.
			secret, t.maskResponse = true, true
		case ins == insPerform && p2 == decipher:
			secret, t.maskResponse = true, true
		case ins == insPutData && bytes.Contains(c, []byte(printedInfoObject)):
			secret = true // tools store the administrator's key there
		case ins == insPutData && bytes.HasPrefix(c[dataOf(c).from:dataOf(c).to], []byte{importedKey}):
			secret = true
		case ins == insGetData && bytes.Contains(c, []byte(printedInfoObject)):
			t.maskResponse = true
		}
	}
	t.chain = 0
	if secret && c[0]&chained != 0 {
		t.chain = ins
	}
	return secret
}

var instructions = map[byte]string{
	insVerify:         "VERIFY",
	insChange:         "CHANGE REFERENCE DATA",
	insUnblock:        "RESET RETRY COUNTER",
	insManageSecurity: "MANAGE SECURITY ENVIRONMENT",
	insPerform:        "PERFORM SECURITY OPERATION",
	0x44:              "ACTIVATE FILE",
	0xE0:              "CREATE FILE",
	0xE4:              "DELETE FILE",
	0xE6:              "TERMINATE DF",
	insGenerate:       "GENERATE ASYMMETRIC KEY PAIR",
	insAuthenticate:   "GENERAL AUTHENTICATE",
	insSelect:         "SELECT",
	insGetResponse:    "GET RESPONSE",
	insGetData:        "GET DATA",
	insPutData:        "PUT DATA",
	0xF6:              "MOVE KEY",
	insMetadata:       "GET METADATA",
	0xF8:              "GET SERIAL",
	0xF9:              "ATTEST",
	0xFA:              "SET PIN RETRIES",
	0xFB:              "RESET",
	0xFD:              "GET VERSION",
	insImport:         "IMPORT KEY",
	insSetManagement:  "SET MANAGEMENT KEY",
}

// meaning describes a command.
func meaning(c []byte) string {
	name, ok := instructions[c[1]]
	if !ok {
		return fmt.Sprintf("instruction %02X", c[1])
	}
	data := dataOf(c)
	switch c[1] {
	case insSelect:
		name += fmt.Sprintf(" %X", c[data.from:data.to])
	case insGetData, insPutData:
		// 5C, length, tag
		if d := c[data.from:data.to]; len(d) > 2 && d[0] == 0x5C && int(d[1]) <= len(d)-2 {
			name += fmt.Sprintf(" %X", d[2:2+d[1]])
		}
	case insPerform:
		name += map[bool]string{true: ": decipher", false: ": sign"}[c[3] == decipher]
	case insManageSecurity:
		name += fmt.Sprintf(" %02X %X", c[3], c[data.from:data.to])
	case insAuthenticate:
		name += fmt.Sprintf(" key %02X, algorithm %02X", c[3], c[2])
	case insVerify:
		switch {
		case c[2] == 0xFF, c[3] == logOutGIDS:
			name += fmt.Sprintf(" %02X: log out", c[3])
		case data.from == data.to:
			name += fmt.Sprintf(" %02X: retries left?", c[3])
		default:
			name += fmt.Sprintf(" %02X: PIN", c[3])
		}
	case insChange, insUnblock, insGenerate, insMetadata:
		name += fmt.Sprintf(" %02X", c[3])
	}
	if c[0]&chained != 0 {
		name += ", more parts follow"
	}
	return name
}

var statusWords = map[uint16]string{
	0x9000: "OK",
	0x6285: "file terminated",
	0x6700: "wrong length",
	0x6881: "logical channel not supported",
	0x6882: "secure messaging not supported",
	0x6884: "command chaining not supported",
	0x6981: "incompatible file structure",
	0x6982: "security status not satisfied",
	0x6983: "authentication method blocked",
	0x6984: "reference data not usable",
	0x6985: "conditions of use not satisfied",
	0x6A80: "incorrect data",
	0x6A81: "function not supported",
	0x6A82: "not found",
	0x6A84: "not enough memory",
	0x6A86: "incorrect P1 or P2",
	0x6986: "command not allowed",
	0x6A88: "reference data not found",
	0x6A89: "file exists already",
	0x6D00: "instruction not supported",
	0x6E00: "class not supported",
	0x6F00: "no precise diagnosis",
}

// statusMeaning describes a status word after a number of bytes of data.
func statusMeaning(sw uint16, data int) string {
	text, ok := statusWords[sw]
	switch {
	case ok:
	case sw&0xFF00 == 0x6100:
		text = "more data available"
	case sw&0xFF00 == 0x6C00:
		text = fmt.Sprintf("wrong Le, %d bytes available", sw&0xFF)
	case sw&0xFFF0 == 0x63C0:
		text = fmt.Sprintf("%d retries left", sw&0xF)
	default:
		text = fmt.Sprintf("status %04X", sw)
	}
	if data > 0 {
		text = fmt.Sprintf("%d bytes, %s", data, text)
	}
	return text
}
