package card

import "fmt"

// A Status is the status word of a response (ISO/IEC 7816-4, 5.6). Every status other
// than 9000 is an error: compare it with errors.Is, or get it with errors.As.
type Status uint16

const (
	StatusOK                Status = 0x9000
	StatusWrongLength       Status = 0x6700
	StatusNotPermitted      Status = 0x6982 // a PIN, a key or a touch is missing
	StatusMethodBlocked     Status = 0x6983 // no retries left
	StatusDataUnusable      Status = 0x6984
	StatusConditionsNotMet  Status = 0x6985
	StatusWrongData         Status = 0x6A80
	StatusNotSupported      Status = 0x6A81
	StatusNotFound          Status = 0x6A82 // no such application, file or object
	StatusNotEnoughMemory   Status = 0x6A84
	StatusWrongParameters   Status = 0x6A86
	StatusReferenceNotFound Status = 0x6A88 // no such key or PIN
	StatusUnknownINS        Status = 0x6D00
	StatusUnknownCLA        Status = 0x6E00
	StatusNoDiagnosis       Status = 0x6F00
)

const statusNoChaining Status = 0x6884

var statusText = map[Status]string{
	StatusOK:                "done",
	StatusWrongLength:       "wrong length",
	StatusNotPermitted:      "security status not satisfied",
	StatusMethodBlocked:     "authentication method blocked",
	StatusDataUnusable:      "referenced data not usable",
	StatusConditionsNotMet:  "conditions of use not satisfied",
	StatusWrongData:         "incorrect data field",
	StatusNotSupported:      "function not supported",
	StatusNotFound:          "file or application not found",
	StatusNotEnoughMemory:   "not enough memory",
	StatusWrongParameters:   "incorrect parameters P1-P2",
	StatusReferenceNotFound: "referenced data not found",
	StatusUnknownINS:        "instruction not supported",
	StatusUnknownCLA:        "class not supported",
	StatusNoDiagnosis:       "no precise diagnosis",
	0x6300:                  "verification failed",
	0x6400:                  "no PIN was entered in time, or nothing was changed",
	0x6401:                  "canceled at the reader",
	0x6581:                  "memory failure",
	0x6881:                  "logical channel not supported",
	0x6882:                  "secure messaging not supported",
	0x6883:                  "last command of the chain expected",
	statusNoChaining:        "command chaining not supported",
	0x6B00:                  "wrong parameters P1-P2",
}

func (s Status) Error() string {
	text, ok := statusText[s]
	if !ok {
		if n, failed := s.Retries(); failed && n >= 0 {
			text = fmt.Sprintf("verification failed, %d retries left", n)
		} else {
			text = "status"
		}
	}
	return fmt.Sprintf("%s (%04X)", text, uint16(s))
}

// Retries reports whether a verification failed, and returns the retries left: 63Cx,
// and 630x of old YubiKeys. n is negative if the status does not contain it.
func (s Status) Retries() (n int, failed bool) {
	switch {
	case s&0xFFF0 == 0x63C0:
		return int(s & 0x0F), true
	case s == 0x6300:
		return -1, true
	case s&0xFFF0 == 0x6300:
		return int(s & 0x0F), true
	}
	return 0, false
}

// more reports 61xx: more of the response is available.
func (s Status) more() bool { return s&0xFF00 == 0x6100 }

// corrects reports 6Cxx: Le was wrong, xx is right.
func (s Status) corrects() bool { return s&0xFF00 == 0x6C00 }

// length returns the xx of 61xx and 6Cxx, where 00 means 256.
func (s Status) length() int {
	if n := int(s & 0xFF); n != 0 {
		return n
	}
	return 256
}

// wrongForm reports whether the card may not support the encoding of the command,
// rather than the command.
func (s Status) wrongForm() bool {
	switch s {
	case StatusWrongLength, StatusWrongData, StatusWrongParameters, StatusUnknownINS, StatusUnknownCLA, StatusNoDiagnosis, 0x6B00:
		return true
	}
	return false
}
