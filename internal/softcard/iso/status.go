package iso

// A Status is the status word that ends an answer (ISO/IEC 7816-4, 5.6).
type Status uint16

// The status words that this layer gives itself, and the ones that card
// applications commonly give.
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

// moreData says how many bytes wait for GET RESPONSE; 0 stands for 256 and for
// every larger number.
func moreData(waiting int) Status { return 0x6100 | atMostAByte(waiting) }

// exactLength refuses Le and names the right one.
func exactLength(available int) Status { return 0x6C00 | atMostAByte(available) }

func atMostAByte(n int) Status {
	if n > 0xFF {
		return 0
	}
	return Status(n)
}

// Retries is the status word of a refused secret with n tries left, 63CX. Its
// last digit holds no more than 15.
func Retries(n int) Status { return 0x63C0 | Status(min(n, 15)) }

// Answer is an answer that consists of s alone.
func (s Status) Answer() Answer { return Answer{Status: s} }

// An Answer is what an application has to say to a command, of any length: the
// card cuts it into the pieces that the sender takes.
type Answer struct {
	Data   []byte
	Status Status
}

// Data is the answer of a command that succeeded.
func Data(b []byte) Answer { return Answer{Data: b, Status: OK} }
