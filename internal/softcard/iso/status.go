package iso

// A Status is the status word that ends a response (ISO/IEC 7816-4, 5.6).
type Status uint16

// Status words of this layer and those common among card applications.
const (
	OK                     Status = 0x9000
	WrongLength            Status = 0x6700
	NoLogicalChannel       Status = 0x6881
	NoSecureMessaging      Status = 0x6882
	NoCommandChaining      Status = 0x6884
	SecurityNotSatisfied   Status = 0x6982
	Blocked                Status = 0x6983
	ConditionsNotSatisfied Status = 0x6985
	BadData                Status = 0x6A80
	NotSupported           Status = 0x6A81
	NotFound               Status = 0x6A82
	NoMemory               Status = 0x6A84
	BadParameters          Status = 0x6A86
	ReferenceNotFound      Status = 0x6A88
	UnknownInstruction     Status = 0x6D00
	UnknownClass           Status = 0x6E00
	Failed                 Status = 0x6F00
)

// moreData returns 61XX for a number of waiting bytes; 00 is 256 or more.
func moreData(waiting int) Status { return 0x6100 | lastByte(waiting) }

// exactLength returns 6CXX, which refuses Le and states the right one.
func exactLength(available int) Status { return 0x6C00 | lastByte(available) }

func lastByte(n int) Status {
	if n > 0xFF {
		return 0
	}
	return Status(n)
}

// Retries returns 63CX: a wrong PIN, with n retries left or 15 if there are more.
func Retries(n int) Status { return 0x63C0 | Status(min(n, 15)) }

// Response returns a response without data.
func (s Status) Response() Response { return Response{Status: s} }

// A Response is the response of an application, of any length: the card splits it
// into the parts that the sender accepts.
type Response struct {
	Data   []byte
	Status Status
}

// Data returns the response of a command that succeeded.
func Data(b []byte) Response { return Response{Data: b, Status: OK} }
