package driver

import "fmt"

// An Errno is an error of the PC/SC service, with the number that Windows
// assigns it. A backend whose system uses other numbers translates them.
type Errno uint32

const (
	InternalError      Errno = 0x80100001
	Cancelled          Errno = 0x80100002
	InvalidHandle      Errno = 0x80100003 // the Service or Card is closed
	InvalidParameter   Errno = 0x80100004
	NoMemory           Errno = 0x80100006
	InsufficientBuffer Errno = 0x80100008 // the response does not fit the buffer of the reader
	UnknownReader      Errno = 0x80100009
	Timeout            Errno = 0x8010000A
	SharingViolation   Errno = 0x8010000B // another connection has the card
	NoSmartcard        Errno = 0x8010000C
	ProtoMismatch      Errno = 0x8010000F // neither T=0 nor T=1
	NotReady           Errno = 0x80100010
	InvalidValue       Errno = 0x80100011
	SystemCancelled    Errno = 0x80100012 // the system ended the call, for example at logoff
	CommError          Errno = 0x80100013 // SCARD_F_COMM_ERROR: the service lost a connection of its own
	NotTransacted      Errno = 0x80100016 // no response to a command
	ReaderUnavailable  Errno = 0x80100017
	NoService          Errno = 0x8010001D
	ServiceStopped     Errno = 0x8010001E
	UnsupportedFeature Errno = 0x80100022
	NoAccess           Errno = 0x80100027 // the user may not use the service or the card
	NoReadersAvailable Errno = 0x8010002E
	CommDataLost       Errno = 0x8010002F // data was lost between reader and card
	UnsupportedCard    Errno = 0x80100065
	UnresponsiveCard   Errno = 0x80100066
	UnpoweredCard      Errno = 0x80100067
	ResetCard          Errno = 0x80100068 // another connection reset the card
	RemovedCard        Errno = 0x80100069
	SecurityViolation  Errno = 0x8010006A
)

var errnoText = map[Errno]string{
	InternalError:      "internal error of the smart card service",
	Cancelled:          "call canceled",
	InvalidHandle:      "invalid handle",
	InvalidParameter:   "invalid parameter",
	NoMemory:           "smart card service is out of memory",
	InsufficientBuffer: "response exceeds the buffer",
	UnknownReader:      "unknown reader",
	Timeout:            "timeout",
	SharingViolation:   "another program holds the card",
	NoSmartcard:        "no card in the reader",
	ProtoMismatch:      "card supports neither T=0 nor T=1",
	NotReady:           "reader or card is not ready",
	SystemCancelled:    "call canceled by the system",
	CommError:          "smart card service lost its connection",
	NotTransacted:      "no response to the command",
	ReaderUnavailable:  "reader is not available",
	NoService:          "smart card service is not running",
	ServiceStopped:     "smart card service has stopped",
	UnsupportedFeature: "not supported by the reader",
	NoAccess:           "access denied",
	NoReadersAvailable: "no reader is connected",
	CommDataLost:       "data was lost between reader and card",
	UnsupportedCard:    "reader does not support this card",
	UnresponsiveCard:   "card does not answer to reset",
	UnpoweredCard:      "card has no power",
	ResetCard:          "card was reset",
	RemovedCard:        "card was removed",
	SecurityViolation:  "access denied by the security policy",
}

func (e Errno) Error() string {
	if text, ok := errnoText[e]; ok {
		return text
	}
	return fmt.Sprintf("PC/SC error %08X", uint32(e))
}
