package ber

// Append appends an element to dst, with its length in the shortest form.
func Append(dst []byte, tag Tag, value []byte) []byte {
	dst = AppendHeader(dst, tag, len(value))
	return append(dst, value...)
}

// AppendHeader appends the tag and length fields of an element. The caller
// appends the value.
func AppendHeader(dst []byte, tag Tag, length int) []byte {
	switch {
	case tag > 0xFFFF:
		dst = append(dst, byte(tag>>16), byte(tag>>8), byte(tag))
	case tag > 0xFF:
		dst = append(dst, byte(tag>>8), byte(tag))
	default:
		dst = append(dst, byte(tag))
	}
	switch {
	case length < 0x80:
		return append(dst, byte(length))
	case length <= 0xFF:
		return append(dst, 0x81, byte(length))
	case length <= 0xFFFF:
		return append(dst, 0x82, byte(length>>8), byte(length))
	case length <= 0xFFFFFF:
		return append(dst, 0x83, byte(length>>16), byte(length>>8), byte(length))
	}
	return append(dst, 0x84, byte(length>>24), byte(length>>16), byte(length>>8), byte(length))
}
