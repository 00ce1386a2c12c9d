package cardtest

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/smartlogon/smartlogon/card"
)

// TestTransmitter checks that open returns a Transmitter to a PIV card that package
// card can use, for example a card behind a remote reader. It returns the first
// failure. Each check calls open, and Close if the Transmitter has that method.
//
// The checks only read public data. They send no PIN, do not read the retry counter,
// and neither sign nor write.
func TestTransmitter(open func() (card.Transmitter, error)) error {
	for _, check := range []struct {
		name string
		run  func(checks) error
	}{
		{"select PIV", checks.selectTwice},
		{"select a missing application", checks.selectMissing},
		{"unknown instruction", checks.unknownInstruction},
		{"read an object", checks.readTwice},
		{"read a missing object", checks.readMissing},
		{"memory of command and response", checks.memory},
	} {
		t, err := open()
		if err == nil {
			err = check.run(checks{t})
			if closer, ok := t.(io.Closer); ok {
				err = errors.Join(err, closer.Close())
			}
		}
		if err != nil {
			return fmt.Errorf("cardtest: %s: %w", check.name, err)
		}
	}
	return nil
}

type checks struct{ t card.Transmitter }

var (
	// The PIV application without its version (SP 800-73-4 part 1, 2.2).
	pivName = []byte{0xA0, 0x00, 0x00, 0x03, 0x08, 0x00, 0x00, 0x10, 0x00}
	// A proprietary identifier (ISO/IEC 7816-4, 8.2.1.2: category F).
	missingName = []byte{0xF0, 'm', 'i', 's', 's', 'i', 'n', 'g'}

	chuid         = []byte{0x5C, 0x03, 0x5F, 0xC1, 0x02}
	missingObject = []byte{0x5C, 0x03, 0x5F, 0xC1, 0x7F}
)

// send sends one command with short lengths and fetches the whole response.
func (c checks) send(ins, p1, p2 byte, data []byte) (response []byte, sw uint16, err error) {
	command := append([]byte{0x00, ins, p1, p2, byte(len(data))}, data...)
	command = append(command, 0x00)
	for range 64 {
		part, err := c.t.Transmit(command)
		if err != nil {
			return nil, 0, err
		}
		if len(part) < 2 {
			return nil, 0, fmt.Errorf("response of %d bytes to %X", len(part), command)
		}
		sw = uint16(part[len(part)-2])<<8 | uint16(part[len(part)-1])
		response = append(response, part[:len(part)-2]...)
		switch {
		case sw&0xFF00 == 0x6C00:
			command[len(command)-1] = byte(sw)
		case sw&0xFF00 == 0x6100:
			command = []byte{0x00, insGetResponse, 0x00, 0x00, byte(sw)}
		default:
			return response, sw, nil
		}
	}
	return nil, 0, fmt.Errorf("response to %02X does not end: %d bytes so far", ins, len(response))
}

func (c checks) selectPIV() ([]byte, error) {
	response, sw, err := c.send(insSelect, 0x04, 0x00, pivName)
	if err == nil && sw != 0x9000 {
		err = fmt.Errorf("status %04X, want 9000: not a PIV card", sw)
	}
	return response, err
}

func (c checks) read(object []byte, want uint16) ([]byte, error) {
	response, sw, err := c.send(insGetData, 0x3F, 0xFF, object)
	if err == nil && sw != want {
		err = fmt.Errorf("status %04X, want %04X", sw, want)
	}
	return response, err
}

func (c checks) selectTwice() error {
	for range 2 {
		response, err := c.selectPIV()
		if err != nil {
			return err
		}
		if len(response) == 0 || response[0] != 0x61 {
			return fmt.Errorf("response %.40X is not an application template (tag 61)", response)
		}
	}
	return nil
}

func (c checks) selectMissing() error {
	if _, err := c.selectPIV(); err != nil {
		return err
	}
	_, sw, err := c.send(insSelect, 0x04, 0x00, missingName)
	if err != nil {
		return err
	}
	if sw != 0x6A82 {
		return fmt.Errorf("status %04X, want 6A82", sw)
	}
	if _, err = c.read(chuid, 0x9000); err != nil {
		return fmt.Errorf("PIV is no longer selected: %w", err)
	}
	return nil
}

func (c checks) unknownInstruction() error {
	if _, err := c.selectPIV(); err != nil {
		return err
	}
	response, err := c.t.Transmit([]byte{0x00, 0x02, 0x00, 0x00})
	if err != nil {
		return err
	}
	if len(response) != 2 || response[0] != 0x6D && response[0] != 0x6E && response[0] != 0x6A {
		return fmt.Errorf("response %.40X, want 6D00", response)
	}
	return nil
}

func (c checks) readTwice() error {
	if _, err := c.selectPIV(); err != nil {
		return err
	}
	first, err := c.read(chuid, 0x9000)
	if err != nil {
		return err
	}
	if len(first) < 2 || first[0] != 0x53 {
		return fmt.Errorf("CHUID %.40X is not an object (tag 53)", first)
	}
	second, err := c.read(chuid, 0x9000)
	if err == nil && !bytes.Equal(first, second) {
		err = errors.New("second read returns another CHUID")
	}
	return err
}

func (c checks) readMissing() error {
	if _, err := c.selectPIV(); err != nil {
		return err
	}
	response, sw, err := c.send(insGetData, 0x3F, 0xFF, missingObject)
	if err != nil {
		return err
	}
	// Some cards return an empty object.
	if sw != 0x6A82 && !(sw == 0x9000 && bytes.Equal(response, []byte{0x53, 0x00})) {
		return fmt.Errorf("status %04X and %d bytes, want 6A82", sw, len(response))
	}
	return nil
}

func (c checks) memory() error {
	command := append([]byte{0x00, insSelect, 0x04, 0x00, byte(len(pivName))}, pivName...)
	command = append(command, 0x00)
	sent := bytes.Clone(command)
	response, err := c.t.Transmit(command)
	if err != nil {
		return err
	}
	if !bytes.Equal(command, sent) {
		return errors.New("Transmit changed the command")
	}
	kept := bytes.Clone(response)
	if _, err := c.read(chuid, 0x9000); err != nil {
		return err
	}
	if !bytes.Equal(response, kept) {
		return errors.New("a later command changed a response")
	}
	return nil
}
