package pcsclite

import "fmt"

// A Command is the number of a request.
type Command uint32

const (
	CmdEstablish    Command = 0x01
	CmdRelease      Command = 0x02
	CmdConnect      Command = 0x04
	CmdReconnect    Command = 0x05
	CmdDisconnect   Command = 0x06
	CmdBegin        Command = 0x07
	CmdEnd          Command = 0x08
	CmdTransmit     Command = 0x09
	CmdControl      Command = 0x0A
	CmdStatus       Command = 0x0B
	CmdCancel       Command = 0x0D
	CmdGetAttribute Command = 0x0F
	CmdSetAttribute Command = 0x10
	CmdVersion      Command = 0x11
	CmdReaders      Command = 0x12 // response: a table of 16 entries
	CmdWait         Command = 0x13 // response: an Event at the next change; up to 4.5, a table of 16 entries first
	CmdStopWaiting  Command = 0x14 // response: an Event, unless it was sent already
	CmdReaderEvents Command = 0x15 // response: ReaderEvents; since 4.5
	CmdReadersSize  Command = 0x16 // response: ReadersSize; since 4.6
	CmdReadersArray Command = 0x17 // response: a table of that size; since 4.6
)

// commands maps each command to its name and the constructor of its body, nil for
// a command without a body.
var commands = map[Command]struct {
	name string
	body func() Body
}{
	CmdEstablish:    {"establish context", func() Body { return new(Establish) }},
	CmdRelease:      {"release context", func() Body { return new(Release) }},
	CmdConnect:      {"connect", func() Body { return new(Connect) }},
	CmdReconnect:    {"reconnect", func() Body { return new(Reconnect) }},
	CmdDisconnect:   {"disconnect", func() Body { return new(Disconnect) }},
	CmdBegin:        {"begin transaction", func() Body { return new(Begin) }},
	CmdEnd:          {"end transaction", func() Body { return new(End) }},
	CmdTransmit:     {"transmit", func() Body { return new(Transmit) }},
	CmdControl:      {"control", func() Body { return new(Control) }},
	CmdStatus:       {"status", func() Body { return new(Status) }},
	CmdCancel:       {"cancel", func() Body { return new(Cancel) }},
	CmdGetAttribute: {"get attribute", func() Body { return new(Attribute) }},
	CmdSetAttribute: {"set attribute", func() Body { return new(Attribute) }},
	CmdVersion:      {"version", func() Body { return new(Version) }},
	CmdReaders:      {"readers", nil},
	CmdWait:         {"wait", nil},
	CmdStopWaiting:  {"stop waiting", nil},
	CmdReaderEvents: {"reader events", nil},
	CmdReadersSize:  {"readers size", nil},
	CmdReadersArray: {"readers array", nil},
}

func (c Command) String() string {
	if command, ok := commands[c]; ok {
		return command.name
	}
	return fmt.Sprintf("command %#x", uint32(c))
}
