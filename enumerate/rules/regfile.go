package rules

import (
	"encoding/binary"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// maxRegFile is the largest registry export that is read, in bytes.
const maxRegFile = 16 << 20

// ParseReg reads the policy from an exported registry text (a .reg file), in
// UTF-16 or UTF-8, of which only the key of the policy counts:
//
//	HKLM\SOFTWARE\Policies\Microsoft\Windows\SmartCardCredentialProvider
//
// Without that key it is the zero Policy. A value that is not documented, or of
// the wrong type, is an error that names it.
func ParseReg(file []byte) (Policy, error) {
	text, err := regText(file)
	if err != nil {
		return Policy{}, err
	}
	lines := strings.Split(strings.ReplaceAll(text, "\r\n", "\n"), "\n")
	switch header := strings.TrimSpace(lines[0]); header {
	case "Windows Registry Editor Version 5.00", "REGEDIT4":
	default:
		return Policy{}, fmt.Errorf("rules: registry export begins with %s, not with its version", quoted(header))
	}
	var p Policy
	inside := false
	for i := 1; i < len(lines); i++ {
		line := strings.TrimSpace(lines[i])
		switch {
		case line == "" || line[0] == ';':
		case line[0] == '[':
			deleted, mine := regSection(line)
			if inside = mine && !deleted; mine && deleted {
				p = Policy{}
			}
		case inside:
			for strings.HasSuffix(line, `\`) && i+1 < len(lines) { // binary data goes on
				i++
				line = line[:len(line)-1] + strings.TrimSpace(lines[i])
			}
			if err := p.setReg(line); err != nil {
				return Policy{}, fmt.Errorf("%w (line %d of the registry export)", err, i+1)
			}
		}
	}
	return p, nil
}

// regText decodes a registry export: UTF-16 with its byte order mark, which is
// what regedit writes, or UTF-8 with or without.
func regText(file []byte) (string, error) {
	if len(file) > maxRegFile {
		return "", fmt.Errorf("rules: registry export has %d bytes, more than %d", len(file), maxRegFile)
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
		return "", fmt.Errorf("rules: registry export is neither UTF-8 nor UTF-16 with a byte order mark")
	}
	if len(file)%2 != 0 {
		return "", fmt.Errorf("rules: registry export in UTF-16 has an odd number of bytes: %d", len(file))
	}
	units := make([]uint16, 0, len(file)/2-1)
	for i := 2; i < len(file); i += 2 {
		units = append(units, order.Uint16(file[i:]))
	}
	return string(utf16.Decode(units)), nil
}

// regSection reads a line with a key, [HKEY_LOCAL_MACHINE\...], and reports
// whether it is the key of the policy. A minus before the key deletes it and
// those below it.
func regSection(line string) (deleted, mine bool) {
	key := strings.TrimSuffix(line[1:], "]")
	key, deleted = strings.CutPrefix(key, "-")
	const policyKey = `HKEY_LOCAL_MACHINE\` + registryKey
	if deleted {
		above := len(key) < len(policyKey) && policyKey[len(key)] == '\\' && strings.EqualFold(key, policyKey[:len(key)])
		return true, above || strings.EqualFold(key, policyKey)
	}
	return false, strings.EqualFold(key, policyKey)
}

// setReg reads a line with a value: "NAME"=dword:00000001, "NAME"="text", or
// "NAME"=- where it is deleted.
func (p *Policy) setReg(line string) error {
	name, rest, err := regString(line)
	if err != nil {
		return err
	}
	value, ok := strings.CutPrefix(rest, "=")
	if !ok {
		return fmt.Errorf("rules: policy %s is not followed by \"=\"", quoted(name))
	}
	digits, isNumber := strings.CutPrefix(value, "dword:")
	switch {
	case value == "-":
		return p.unset(name)
	case isNumber:
		n, err := strconv.ParseUint(digits, 16, 32)
		if err != nil {
			return fmt.Errorf("rules: policy %s has no number after dword: %s", quoted(name), quoted(digits))
		}
		data, what := onOff(n)
		return p.set(name, data, what)
	case strings.HasPrefix(value, `"`):
		text, rest, err := regString(value)
		if err == nil && rest != "" {
			err = fmt.Errorf("rules: text is followed by %s", quoted(rest))
		}
		if err != nil {
			return fmt.Errorf("rules: policy %s: %w", quoted(name), err)
		}
		return p.set(name, text, "a REG_SZ")
	}
	kind, _, _ := strings.Cut(value, ":")
	return p.set(name, nil, "data of the form "+quoted(kind))
}

// unset takes a value back to not configured.
func (p *Policy) unset(name string) error {
	if strings.EqualFold(name, promptString) {
		return p.set(name, "", "")
	}
	return p.set(name, false, "")
}

// regString reads a text in quotation marks, within which a backslash makes the
// next character an ordinary one.
func regString(s string) (text, rest string, err error) {
	if !strings.HasPrefix(s, `"`) {
		return "", "", fmt.Errorf("rules: registry export has %s where a text in quotation marks was expected", quoted(s))
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
	return "", "", fmt.Errorf("rules: registry export has a text that does not end on its line: %s", quoted(s))
}
