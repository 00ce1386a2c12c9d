package driver

import "fmt"

// An Errno is an error of the PC/SC service, with the number that Windows gives
// it. Backends whose own numbers differ translate them.
type Errno uint32

const (
	InternalError      Errno = 0x80100001
	Cancelled          Errno = 0x80100002 // the wait was cancelled
	InvalidHandle      Errno = 0x80100003
	InvalidParameter   Errno = 0x80100004
	NoMemory           Errno = 0x80100006
	InsufficientBuffer Errno = 0x80100008 // the answer does not fit what the reader offers
	UnknownReader      Errno = 0x80100009
	Timeout            Errno = 0x8010000A
	SharingViolation   Errno = 0x8010000B // another connection holds the card
	NoSmartcard        Errno = 0x8010000C
	ProtoMismatch      Errno = 0x8010000F // neither T=0 nor T=1
	NotReady           Errno = 0x80100010
	SystemCancelled    Errno = 0x80100012 // the system ended the call, as at log-off
	CommError          Errno = 0x80100013 // F_COMM_ERROR: inside the service
	NotTransacted      Errno = 0x80100016 // no answer to a command
	ReaderUnavailable  Errno = 0x80100017
	NoService          Errno = 0x8010001D
	ServiceStopped     Errno = 0x8010001E
	UnsupportedFeature Errno = 0x80100022
	NoAccess           Errno = 0x80100027 // this user may not use the service or the card
	NoReadersAvailable Errno = 0x8010002E
	CommDataLost       Errno = 0x8010002F // between reader and card
	UnsupportedCard    Errno = 0x80100065
	UnresponsiveCard   Errno = 0x80100066
	UnpoweredCard      Errno = 0x80100067
	ResetCard          Errno = 0x80100068 // by somebody else
	RemovedCard        Errno = 0x80100069
	SecurityViolation  Errno = 0x8010006A
)

var errnoText = map[Errno]string{
	InternalError:      "internal error of the smart card service",
	Cancelled:          "wait was cancelled",
	InvalidHandle:      "handle is not valid",
	InvalidParameter:   "parameter is not valid",
	NoMemory:           "smart card service is out of memory",
	InsufficientBuffer: "answer is longer than the buffer for it",
	UnknownReader:      "reader is not known",
	Timeout:            "time is up",
	SharingViolation:   "card is held by another program",
	NoSmartcard:        "no card in the reader",
	ProtoMismatch:      "card speaks neither T=0 nor T=1",
	NotReady:           "reader or card is not ready",
	SystemCancelled:    "system ended the call",
	CommError:          "smart card service lost its connection",
	NotTransacted:      "command got no answer",
	ReaderUnavailable:  "reader is not available",
	NoService:          "smart card service is not running",
	ServiceStopped:     "smart card service has stopped",
	UnsupportedFeature: "reader does not support this",
	NoAccess:           "access denied",
	NoReadersAvailable: "no reader is connected",
	CommDataLost:       "data was lost between reader and card",
	UnsupportedCard:    "reader cannot use this card",
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
