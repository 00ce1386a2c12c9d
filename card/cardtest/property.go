package cardtest

import (
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/smartlogon/smartlogon/internal/softcard/iso"
	"github.com/smartlogon/smartlogon/internal/softcard/piv"
)

// A property is something in which cards differ. Its value is text, so that a fact
// can be compared with its source.
type property struct {
	kind kind
	set  func(*config, string) error
}

// The names of properties that are responses to a command begin so. The rest of the
// name is the beginning of the command without its lengths.
const (
	// fixedAnswerTo makes the card respond so whatever its state is.
	fixedAnswerTo = "fixed answer to "

	// answerTo states how a card with the other properties responds.
	answerTo = "answer to "
)

// propertyOf returns the property of a name. It panics if there is none.
func propertyOf(name string) property {
	if command, ok := strings.CutPrefix(name, fixedAnswerTo); ok {
		return property{pivCard, func(c *config, value string) error { return c.answer(command, value) }}
	}
	if strings.HasPrefix(name, answerTo) {
		return stated
	}
	p, ok := properties[name]
	if !ok {
		panic(fmt.Sprintf("cardtest: cards have no property %q", name))
	}
	return p
}

// stated is a property that a card has by its other ones.
var stated = property{anyCard, func(*config, string) error { return nil }}

// properties are the properties of models, but for responses to a command.
var properties = map[string]property{
	firmware:                              stated, // Model reads it
	"decryption with a padding indicator": stated,

	// Transport.
	"ATR":                  {anyCard, setBytes(func(c *config) *[]byte { return &c.iso.ATR })},
	"protocol":             {anyCard, oneOf("T=1", "T=0", func(c *config, t0 bool) { c.iso.T0 = t0 })},
	"extended length":      {anyCard, oneOf("accepted", "6700", func(c *config, no bool) { c.iso.NoExtended = no })},
	"first response":       {anyCard, setFirstResponse},
	"first response limit": {anyCard, setNumber(func(c *config) *int { return &c.iso.MaxFirst })},
	"more than 255 bytes":  {anyCard, oneOf("6100", "61FF", func(c *config, ff bool) { c.iso.MoreIsFF = ff })},

	"command while data waits": {anyCard, setStatus(func(c *config) *iso.Status { return &c.iso.PendingData })},

	// SELECT.
	"shortest identifier":                  {anyCard, setNumber(func(c *config) *int { return &c.iso.MinName })},
	"absent application":                   {anyCard, setStatus(func(c *config) *iso.Status { return &c.iso.Absent })},
	"absent application, another selected": {anyCard, setStatus(func(c *config) *iso.Status { return &c.iso.AbsentForCurrent })},
	"failed SELECT":                        {anyCard, setFailedSelect},
	"SELECT":                               {anyCard, setBytes(func(c *config) *[]byte { return &c.piv.Template })},
	"SELECT again":                         {pivCard, oneOf("keeps the PIN", "clears the PIN", func(c *config, clears bool) { c.piv.Quirks.SelectClears = clears })},

	// PIN.
	"PIN retries":                 {pivCard, setNumber(func(c *config) *int { return &c.piv.PINTries })},
	"retry counter":               {pivCard, oneOf("63CX", "630X", func(c *config, plain bool) { c.piv.Quirks.PlainRetries = plain })},
	"empty VERIFY, verified":      {pivCard, oneOf("9000", "retry counter", func(c *config, hides bool) { c.piv.Quirks.EmptyVerifyHides = hides })},
	"empty VERIFY, blocked":       {pivCard, setStatus(func(c *config) *iso.Status { return &c.piv.Quirks.BlockedQuery })},
	"VERIFY, blocked":             {pivCard, setStatus(func(c *config) *iso.Status { return &c.piv.Quirks.BlockedVerify })},
	"log out":                     {pivCard, oneOf("accepted", "6A86", func(c *config, no bool) { c.piv.Quirks.NoLogout = no })},
	"PIN with letters":            {pivCard, oneOf("6A80", "compared", func(c *config, any bool) { c.piv.LenientPIN = any })},
	"CHANGE with wrong old value": {pivCard, setStatus(func(c *config) *iso.Status { return &c.piv.Quirks.FailedChange })},

	// Objects.
	"absent object":               {pivCard, setStatus(func(c *config) *iso.Status { return &c.piv.Quirks.Absent })},
	"absent object, PIN required": {pivCard, oneOf("6982", "as other objects", func(c *config, first bool) { c.piv.Quirks.AbsentFirst = first })},
	"discovery object":            {pivCard, setDiscovery},
	"key history":                 {pivCard, setKeyHistory},
	"CHUID":                       {pivCard, setCHUID},
	"CHUID expiration":            {pivCard, func(c *config, value string) error { c.piv.Expiry = value; return nil }},
	"certificates":                {pivCard, oneOf("plain", "gzip", func(c *config, zip bool) { c.encoding = map[bool]piv.Encoding{true: piv.Gzip}[zip] })},
	"longest object":              {pivCard, setNumber(func(c *config) *int { return &c.piv.MaxObject })},
	"object too long":             {pivCard, oneOf("6A84", "6700, half stored", func(c *config, half bool) { c.piv.Quirks.PartialWrite = half })},

	// Keys.
	"malformed template": {pivCard, setStatus(func(c *config) *iso.Status { return &c.piv.Quirks.BadTemplate })},
	"empty key slot":     {pivCard, setStatus(func(c *config) *iso.Status { return &c.piv.Quirks.EmptySlot })},
	"Ed25519 signature":  {pivCard, oneOf("of the message", "of 32 bytes", func(c *config, digest bool) { c.piv.Quirks.DigestEd25519 = digest })},

	"raw decryption": {gidsCard, oneOf("whole block", "without leading zeros", func(c *config, strips bool) { c.gids.Quirks.StripsZero = strips })},

	// Administration.
	"management key":                  {pivCard, setManagementKey},
	"management key, other algorithm": {pivCard, setStatus(func(c *config) *iso.Status { return &c.piv.Quirks.WrongAlgorithm })},
	"wrong management key":            {pivCard, setStatus(func(c *config) *iso.Status { return &c.piv.Quirks.WrongAdminKey })},
	"witness, challenge and empty response": {pivCard, oneOf("mutual authentication", "internal authentication",
		func(c *config, internal bool) { c.piv.Quirks.EmptyResponseEncrypts = internal })},
	"end of mutual authentication": {pivCard, oneOf("data", "no data", func(c *config, silent bool) { c.piv.Quirks.SilentMutual = silent })},
	"Yubico's instructions":        {pivCard, setBytes(func(c *config) *[]byte { return &c.piv.Extensions })},
}

// setBytes returns the set function of a property in hexadecimal. "none" is an empty
// value.
func setBytes(field func(*config) *[]byte) func(*config, string) error {
	return func(c *config, value string) error {
		b, err := parseBytes(value)
		*field(c) = b
		return err
	}
}

func parseBytes(value string) ([]byte, error) {
	if value == "none" {
		return []byte{}, nil
	}
	return hex.DecodeString(strings.ReplaceAll(value, " ", ""))
}

func setStatus(field func(*config) *iso.Status) func(*config, string) error {
	return func(c *config, value string) (err error) {
		*field(c), err = parseStatus(value)
		return err
	}
}

func parseStatus(value string) (iso.Status, error) {
	n, err := strconv.ParseUint(value, 16, 16)
	return iso.Status(n), err
}

func setNumber(field func(*config) *int) func(*config, string) error {
	return func(c *config, value string) (err error) {
		*field(c), err = strconv.Atoi(value)
		return err
	}
}

// oneOf returns the set function of a property with two values, of which the first is
// the standard's.
func oneOf(standard, other string, set func(*config, bool)) func(*config, string) error {
	return func(c *config, value string) error {
		if value != standard && value != other {
			return fmt.Errorf("want %q or %q", standard, other)
		}
		set(c, value == other)
		return nil
	}
}

func setFirstResponse(c *config, value string) error {
	return choose(&c.iso.FetchFirst, value, "data", "61XX without Le", "61XX if longer than Le", "61XX")
}

func setFailedSelect(c *config, value string) error {
	return choose(&c.iso.FailedSelect, value, "keeps the application", "clears the PIN", "deselects it")
}

// choose sets a number to the position of value among the choices.
func choose[T ~int](field *T, value string, choices ...string) error {
	i := slices.Index(choices, value)
	if i < 0 {
		return fmt.Errorf("want one of %q", choices)
	}
	*field = T(i)
	return nil
}

// absent begins the value of an object that the card does not have. A status word may
// follow.
const absent = "absent"

func setDiscovery(c *config, value string) (err error) {
	if status, ok := strings.CutPrefix(value, absent); ok {
		c.piv.Quirks.NoDiscovery = true
		if status = strings.TrimSpace(status); status != "" {
			c.piv.Quirks.AbsentDiscovery, err = parseStatus(status)
		}
		return err
	}
	c.piv.Discovery, err = parseBytes(value)
	return err
}

// keyHistoryCommand is GET DATA of the key history.
const keyHistoryCommand = "00CB3FFF 5C035FC10C"

func setKeyHistory(c *config, value string) error {
	if value == absent {
		return nil
	}
	return c.answer(keyHistoryCommand, value+" 9000")
}

// setCHUID sets the length of the CHUID.
func setCHUID(c *config, value string) error {
	const unsigned = 61 // whole object with header
	if value == absent {
		c.piv.GUID = [16]byte{} // for a YubiKey
		return nil
	}
	n, err := strconv.Atoi(value)
	if err != nil || n < unsigned {
		return fmt.Errorf("want the length in bytes, %d or more", unsigned)
	}
	if n > unsigned {
		const headers = 2 + 2 // longer lengths of the object and of the signature
		c.piv.CHUIDSignature = n - unsigned - headers
	}
	return nil
}

func setManagementKey(c *config, value string) error {
	algorithm, ok := map[string]piv.Algorithm{"3DES": piv.TripleDES, "AES-128": piv.AES128, "AES-192": piv.AES192, "AES-256": piv.AES256}[value]
	if !ok {
		return errors.New("unknown algorithm")
	}
	length := map[piv.Algorithm]int{piv.AES128: 16, piv.AES256: 32}[algorithm]
	if length == 0 {
		length = len(AdminKey)
	}
	c.piv.AdminKey = piv.AdminKey{Algorithm: algorithm, Key: []byte(AdminKey + AdminKey)[:length]}
	return nil
}

// answer adds a fixed response. The value is the data, if any, and the status word.
func (c *config) answer(command, value string) error {
	prefix, err := parseBytes(command)
	if err != nil {
		return err
	}
	response, err := parseBytes(value)
	if err != nil {
		return err
	}
	if len(prefix) < 2 || len(response) < 2 {
		return errors.New("want a command of two bytes or more, and a status word")
	}
	n := len(response) - 2
	c.piv.Answers = append(c.piv.Answers, piv.Answer{
		Command: prefix,
		Data:    response[:n:n],
		Status:  iso.Status(response[n])<<8 | iso.Status(response[n+1]),
	})
	return nil
}
