package cardtest

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/smartlogon/smartlogon/card"
)

// TestTransmitter checks that what open returns is a way to a PIV card that
// package card can use: a software card, one behind a remote reader, a real one.
// It says what is wrong first. Each check opens anew, and closes what has a
// Close method.
//
// It reads public data only. It sends no PIN, asks for no PIN's tries, signs
// nothing, writes nothing.
func TestTransmitter(open func() (card.Transmitter, error)) error {
	for _, check := range []struct {
		name string
		do   func(suite) error
	}{
		{"select PIV", suite.selects},
		{"select an application that is not there", suite.selectsNothing},
		{"an instruction that nobody knows", suite.unknownInstruction},
		{"read an object", suite.reads},
		{"read an object that is not there", suite.readsNothing},
		{"leave command and answer alone", suite.sharesNothing},
	} {
		t, err := open()
		if err == nil {
			err = check.do(suite{t})
			if c, ok := t.(io.Closer); ok {
				err = errors.Join(err, c.Close())
			}
		}
		if err != nil {
			return fmt.Errorf("cardtest: %s: %w", check.name, err)
		}
	}
	return nil
}

type suite struct{ t card.Transmitter }

var (
	// The PIV application without its version (SP 800-73-4 part 1, 2.2).
	pivName = []byte{0xA0, 0x00, 0x00, 0x03, 0x08, 0x00, 0x00, 0x10, 0x00}
	// A proprietary identifier (ISO/IEC 7816-4, 8.2.1.2: category F).
	nobody = []byte{0xF0, 'n', 'o', 'b', 'o', 'd', 'y'}

	chuid   = []byte{0x5C, 0x03, 0x5F, 0xC1, 0x02}
	nothing = []byte{0x5C, 0x03, 0x5F, 0xC1, 0x7F}
)

// send does one command with short lengths and fetches the whole answer.
func (s suite) send(ins, p1, p2 byte, data []byte) (answer []byte, sw uint16, err error) {
	command := append([]byte{0x00, ins, p1, p2, byte(len(data))}, data...)
	command = append(command, 0x00)
	for range 64 {
		part, err := s.t.Transmit(command)
		if err != nil {
			return nil, 0, err
		}
		if len(part) < 2 {
			return nil, 0, fmt.Errorf("answer of %d bytes to %X", len(part), command)
		}
		sw = uint16(part[len(part)-2])<<8 | uint16(part[len(part)-1])
		answer = append(answer, part[:len(part)-2]...)
		switch {
		case sw&0xFF00 == 0x6C00:
			command[len(command)-1] = byte(sw)
		case sw&0xFF00 == 0x6100:
			command = []byte{0x00, insGetResponse, 0x00, 0x00, byte(sw)}
		default:
			return answer, sw, nil
		}
	}
	return nil, 0, fmt.Errorf("answer to %02X does not end: %d bytes so far", ins, len(answer))
}

func (s suite) selectPIV() ([]byte, error) {
	answer, sw, err := s.send(insSelect, 0x04, 0x00, pivName)
	if err == nil && sw != 0x9000 {
		err = fmt.Errorf("status %04X, want 9000: is it a PIV card?", sw)
	}
	return answer, err
}

func (s suite) read(object []byte, want uint16) ([]byte, error) {
	answer, sw, err := s.send(insGetData, 0x3F, 0xFF, object)
	if err == nil && sw != want {
		err = fmt.Errorf("status %04X, want %04X", sw, want)
	}
	return answer, err
}

func (s suite) selects() error {
	for range 2 {
		answer, err := s.selectPIV()
		if err != nil {
			return err
		}
		if len(answer) == 0 || answer[0] != 0x61 {
			return fmt.Errorf("answer %.40X is no application template (tag 61)", answer)
		}
	}
	return nil
}

func (s suite) selectsNothing() error {
	if _, err := s.selectPIV(); err != nil {
		return err
	}
	_, sw, err := s.send(insSelect, 0x04, 0x00, nobody)
	if err != nil {
		return err
	}
	if sw != 0x6A82 {
		return fmt.Errorf("status %04X, want 6A82", sw)
	}
	if _, err = s.read(chuid, 0x9000); err != nil {
		return fmt.Errorf("PIV is not selected any more: %w", err)
	}
	return nil
}

func (s suite) unknownInstruction() error {
	if _, err := s.selectPIV(); err != nil {
		return err
	}
	answer, err := s.t.Transmit([]byte{0x00, 0x02, 0x00, 0x00})
	if err != nil {
		return err
	}
	if len(answer) != 2 || answer[0] != 0x6D && answer[0] != 0x6E && answer[0] != 0x6A {
		return fmt.Errorf("answer %.40X, want 6D00", answer)
	}
	return nil
}

func (s suite) reads() error {
	if _, err := s.selectPIV(); err != nil {
		return err
	}
	first, err := s.read(chuid, 0x9000)
	if err != nil {
		return err
	}
	if len(first) < 2 || first[0] != 0x53 {
		return fmt.Errorf("CHUID %.40X is no object (tag 53)", first)
	}
	second, err := s.read(chuid, 0x9000)
	if err == nil && !bytes.Equal(first, second) {
		err = errors.New("CHUID is another one at the second time")
	}
	return err
}

func (s suite) readsNothing() error {
	if _, err := s.selectPIV(); err != nil {
		return err
	}
	answer, sw, err := s.send(insGetData, 0x3F, 0xFF, nothing)
	if err != nil {
		return err
	}
	// Some cards say that it is empty.
	if sw != 0x6A82 && !(sw == 0x9000 && bytes.Equal(answer, []byte{0x53, 0x00})) {
		return fmt.Errorf("status %04X and %d bytes, want 6A82", sw, len(answer))
	}
	return nil
}

func (s suite) sharesNothing() error {
	command := append([]byte{0x00, insSelect, 0x04, 0x00, byte(len(pivName))}, pivName...)
	command = append(command, 0x00)
	sent := bytes.Clone(command)
	answer, err := s.t.Transmit(command)
	if err != nil {
		return err
	}
	if !bytes.Equal(command, sent) {
		return errors.New("the command was changed")
	}
	kept := bytes.Clone(answer)
	if _, err := s.read(chuid, 0x9000); err != nil {
		return err
	}
	if !bytes.Equal(answer, kept) {
		return errors.New("an answer was changed by a later command")
	}
	return nil
}
