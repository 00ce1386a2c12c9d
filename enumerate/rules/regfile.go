package rules

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// ParseReg reads the policy from a registry export (a .reg file) in UTF-16 or
// UTF-8. Only the key of the policy is read:
//
//	HKLM\SOFTWARE\Policies\Microsoft\Windows\SmartCardCredentialProvider
//
// Without the key it returns the zero Policy. The error names a value that is
// undocumented or has the wrong type. A file has at most 16 MiB.
func ParseReg(file []byte) (Policy, error) {
	text, err := regText(file)
	if err != nil {
		return Policy{}, fmt.Errorf("rules: registry export: %w", err)
	}
	lines := regLines{rest: text, more: true}
	switch header := lines.next(); header {
	case "Windows Registry Editor Version 5.00", "REGEDIT4":
	default:
		return Policy{}, fmt.Errorf("rules: registry export: begins with %s, not with its version", quoted(header))
	}
	var p Policy
	inKey := false // of the policy
	for lines.more {
		line := lines.next()
		switch {
		case line == "" || line[0] == ';':
		case line[0] == '[':
			deleted, ours := regKey(line)
			if inKey = ours && !deleted; ours && deleted {
				p = Policy{}
			}
		case inKey:
			number := lines.number
			if err := p.setReg(lines.join(line)); err != nil {
				return Policy{}, fmt.Errorf("rules: registry export: line %d: %w", number, err)
			}
		}
	}
	return p, nil
}

// regText decodes a registry export: UTF-16 with a byte order mark, as regedit
// writes it, or UTF-8 with or without.
func regText(file []byte) (string, error) {
	if len(file) > maxPolicyFile {
		return "", fmt.Errorf("%d bytes are more than %d", len(file), maxPolicyFile)
	}
	var order binary.ByteOrder
	switch {
	case len(file) >= 2 && file[0] == 0xFF && file[1] == 0xFE:
		order = binary.LittleEndian
	case len(file) >= 2 && file[0] == 0xFE && file[1] == 0xFF:
		order = binary.BigEndian
	case utf8.Valid(file):
		return strings.TrimPrefix(string(file), "\uFEFF"), nil
	default:
		return "", errors.New("neither UTF-8 nor UTF-16 with a byte order mark")
	}
	if len(file)%2 != 0 {
		return "", fmt.Errorf("UTF-16 with an odd number of bytes: %d", len(file))
	}
	units := make([]uint16, 0, len(file)/2-1)
	for i := 2; i < len(file); i += 2 {
		units = append(units, order.Uint16(file[i:]))
	}
	return string(utf16.Decode(units)), nil
}

// regLines splits a text into lines without the space around them.
type regLines struct {
	rest   string
	more   bool // rest is a line, perhaps an empty one
	number int  // of the last line
}

func (l *regLines) next() string {
	var line string
	line, l.rest, l.more = strings.Cut(l.rest, "\n")
	l.number++
	return strings.TrimSpace(line)
}

// join appends the lines after one that ends in a backslash, as binary data does.
func (l *regLines) join(line string) string {
	if !strings.HasSuffix(line, `\`) || !l.more {
		return line
	}
	var joined strings.Builder
	for strings.HasSuffix(line, `\`) && l.more {
		joined.WriteString(line[:len(line)-1])
		line = l.next()
	}
	joined.WriteString(line)
	return joined.String()
}

// regKey reads the line of a key, [HKEY_LOCAL_MACHINE\...], and reports whether it
// is the one of the policy. A minus before the key deletes it and its subkeys.
func regKey(line string) (deleted, ours bool) {
	key := strings.TrimSuffix(line[1:], "]")
	key, deleted = strings.CutPrefix(key, "-")
	const policyKey = `HKEY_LOCAL_MACHINE\` + registryKey
	if deleted {
		above := len(key) < len(policyKey) && policyKey[len(key)] == '\\' && strings.EqualFold(key, policyKey[:len(key)])
		return true, above || strings.EqualFold(key, policyKey)
	}
	return false, strings.EqualFold(key, policyKey)
}

// setReg reads the line of a value: "NAME"=dword:00000001, "NAME"="text", or
// "NAME"=- to delete it.
func (p *Policy) setReg(line string) error {
	name, rest, err := regString(line)
	if err != nil {
		return err
	}
	value, ok := strings.CutPrefix(rest, "=")
	if !ok {
		return fmt.Errorf("policy %s is not followed by \"=\"", quoted(name))
	}
	digits, isNumber := strings.CutPrefix(value, "dword:")
	switch {
	case value == "-":
		return p.unset(name)
	case isNumber:
		n, err := strconv.ParseUint(digits, 16, 32)
		if err != nil {
			return fmt.Errorf("policy %s has no number after dword: %s", quoted(name), quoted(digits))
		}
		data, description := onOff(n)
		return p.set(name, data, description)
	case strings.HasPrefix(value, `"`):
		text, rest, err := regString(value)
		if err == nil && rest != "" {
			err = fmt.Errorf("text is followed by %s", quoted(rest))
		}
		if err != nil {
			return fmt.Errorf("policy %s: %w", quoted(name), err)
		}
		return p.set(name, text, "a REG_SZ")
	}
	kind, _, _ := strings.Cut(value, ":")
	return p.set(name, nil, "data of the form "+quoted(kind))
}

// unset makes a value not configured.
func (p *Policy) unset(name string) error {
	if strings.EqualFold(name, promptString) {
		return p.set(name, "", "")
	}
	return p.set(name, false, "")
}

// regString reads a text in quotation marks, in which a backslash escapes the next
// character.
func regString(s string) (text, rest string, err error) {
	if !strings.HasPrefix(s, `"`) {
		return "", "", fmt.Errorf("%s is not a text in quotation marks", quoted(s))
	}
	var b strings.Builder
	for i := 1; i < len(s); i++ {
		switch s[i] {
		case '"':
			return b.String(), s[i+1:], nil
		case '\\':
			if i++; i < len(s) {
				b.WriteByte(s[i])
			}
		default:
			b.WriteByte(s[i])
		}
	}
	return "", "", fmt.Errorf("text does not end on its line: %s", quoted(s))
}
