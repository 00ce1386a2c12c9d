package cardtest

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/smartlogon/smartlogon/internal/softcard/iso"
)

// Limits of a transcript.
const (
	maxTranscript = 16 << 20 // bytes
	maxExchanges  = 20000
	maxRecorded   = 1 << 16 // bytes of a command or response
	maxReplayed   = 64 << 20
)

// Replay returns cards that repeat the responses of a transcript, which the -trace flag
// of the program explain writes. Each line of a transcript is a JSON object. One with
// "card" or "atr" begins a card. The others are exchanges, with the command in "c", the data of
// the response in "a" and its status word in "sw", all in hexadecimal:
//
//	{"card": "?", "atr": "3B80018181", "reader": "Reader 0", "kind": "recorded"}
//	{"c": "00A4040005A000000308", "a": "61114F06<6>79074F05A000000308", "sw": "9000"}
//	{"c": "00200080<PIN>", "a": "", "sw": "63C2"}
//
// <6> is six bytes that were left out, for which the card sends zeros. In a command, <
// begins data of any length. An exchange without a response
// has "none" in "sw"; the card then responds with no byte. One without a command is
// left out.
//
// A command gets the response of the next exchange with it, or of the first if there
// is none after it. Le and the form of lengths do not count. A card's methods about
// PINs and contents have nothing to tell, and [Card.Put] panics.
func Replay(transcript io.Reader) ([]*Card, error) {
	var cards []*Card
	var current *replay
	total, size := 0, 0
	lines := bufio.NewScanner(io.LimitReader(transcript, maxTranscript))
	lines.Buffer(nil, 8*maxRecorded)
	for n := 1; lines.Scan(); n++ {
		text := bytes.TrimSpace(lines.Bytes())
		if len(text) == 0 {
			continue
		}
		var l struct {
			Card *string `json:"card"`
			ATR  *string `json:"atr"`
			C    *string `json:"c"`
			A    string  `json:"a"`
			SW   string  `json:"sw"`
		}
		err := json.Unmarshal(text, &l)
		switch {
		case err != nil:
		case l.Card != nil || l.ATR != nil:
			atr := anyATR
			if l.ATR != nil {
				atr = *l.ATR
			}
			if current, err = newReplay(atr); err == nil {
				cards = append(cards, &Card{chip: current, app: replayedApplication{}, counts: current.counts})
			}
		case current == nil:
			err = errors.New("want a card before exchanges")
		case l.C == nil && l.SW != "": // the command is not known
		case l.C == nil:
			err = errors.New("want a command")
		default:
			var e recordedExchange
			e, err = parseExchange(*l.C, l.A, l.SW)
			current.exchanges = append(current.exchanges, e)
			size += len(e.response) + len(e.command.Data)
			if total++; total > maxExchanges || size > maxReplayed {
				err = errTooLong
			}
		}
		if err != nil {
			return nil, fmt.Errorf("cardtest: transcript: line %d: %w", n, err)
		}
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("cardtest: transcript: %w", err)
	}
	if len(cards) == 0 {
		return nil, errors.New("cardtest: transcript: no card in it")
	}
	return cards, nil
}

// anyATR is the answer to reset of a card for which none was recorded: T=1, and nothing
// else.
const anyATR = "3B80018181"

func newReplay(atr string) (*replay, error) {
	b, err := hex.DecodeString(strings.ReplaceAll(atr, " ", ""))
	if err != nil {
		return nil, fmt.Errorf("atr: %w", err)
	}
	return &replay{atr: b, counts: &counter{Application: replayedApplication{}}}, nil
}

// parseExchange parses one line.
func parseExchange(command, data, status string) (e recordedExchange, err error) {
	if e.command, e.open, err = parseCommand(command); err != nil {
		return e, fmt.Errorf("c: %w", err)
	}
	if status == "none" {
		return e, nil
	}
	if e.response, err = parseMasked(data); err != nil {
		return e, fmt.Errorf("a: %w", err)
	}
	sw, err := hex.DecodeString(status)
	if err != nil || len(sw) != 2 {
		return e, errors.New("sw: want two bytes in hexadecimal, or none")
	}
	e.response = append(e.response, sw...)
	return e, nil
}

// parseCommand parses a command. What stands in it from the first < on is data of any
// length; open reports whether there is any.
func parseCommand(text string) (c iso.Command, open bool, err error) {
	known, _, open := strings.Cut(text, "<")
	b, err := parseBytes(known)
	switch {
	case err != nil:
		return c, false, err
	case len(b) < 4:
		return c, false, errors.New("shorter than a header")
	case len(b) > maxRecorded:
		return c, false, errTooLong
	case !open:
		c, ok := iso.ParseCommand(b)
		if !ok {
			return c, false, errors.New("lengths are inconsistent")
		}
		return c, false, nil
	}
	c = iso.Command{CLA: b[0], INS: b[1], P1: b[2], P2: b[3]}
	switch rest := b[4:]; {
	case len(rest) > 3 && rest[0] == 0: // extended Lc
		c.Data = rest[3:]
	case len(rest) > 1:
		c.Data = rest[1:]
	}
	return c, true, nil
}

var errTooLong = errors.New("too long")

// parseMasked parses hexadecimal digits, blanks, and numbers of bytes that were left
// out between < and >, where an explanation may follow a colon.
func parseMasked(text string) (b []byte, err error) {
	for text != "" {
		digits, masked, ok := strings.Cut(text, "<")
		known, err := parseBytes(digits)
		if err != nil {
			return nil, err
		}
		b = append(b, known...)
		if !ok {
			break
		}
		var inside string
		if inside, text, ok = strings.Cut(masked, ">"); !ok {
			return nil, errors.New("no > after <")
		}
		number, _, _ := strings.Cut(inside, ":")
		number, _, _ = strings.Cut(number, " ") // "248 more"
		n, err := strconv.Atoi(number)
		if err != nil {
			return nil, fmt.Errorf("number of bytes left out: %w", err)
		}
		if n < 0 || n > maxRecorded-len(b) {
			return nil, errTooLong
		}
		b = append(b, make([]byte, n)...)
	}
	if len(b) > maxRecorded {
		return nil, errTooLong
	}
	return b, nil
}
