package cert

import (
	"time"

	"github.com/smartlogon/smartlogon/internal/ber"
)

// A Date is one of the two dates of a certificate.
type Date struct {
	Time time.Time // in UTC; zero if the date is malformed
	Text []byte    // as encoded
}

// Dates returns notBefore and notAfter (RFC 5280, 4.1.2.5). Only the forms
// YYMMDDHHMMSSZ and YYYYMMDDHHMMSSZ are accepted, and only dates that exist; the
// year 0 does not. If the SEQUENCE holds anything but two elements, both dates are
// malformed.
func (c *Certificate) Dates() (notBefore, notAfter Date) {
	r := c.Validity.Inside()
	first, _ := r.Next()
	second, _ := r.Next()
	if r.Close() != nil {
		return Date{Text: first.Value}, Date{Text: second.Value}
	}
	return readDate(first), readDate(second)
}

func readDate(e ber.Element) Date {
	d := Date{Text: e.Value}
	digits := e.Value
	var year int
	switch {
	case e.Tag == ber.UTCTime && len(digits) == len("YYMMDDHHMMSSZ"):
		year = number(digits[:2])
		if digits = digits[2:]; year >= 50 {
			year += 1900
		} else if year >= 0 {
			year += 2000
		}
	case e.Tag == ber.GeneralizedTime && len(digits) == len("YYYYMMDDHHMMSSZ"):
		year = number(digits[:4])
		digits = digits[4:]
	}
	if year <= 0 || digits[10] != 'Z' {
		return d
	}
	var f [5]int // month, day, hour, minute, second
	for i := range f {
		if f[i] = number(digits[2*i : 2*i+2]); f[i] < 0 {
			return d
		}
	}
	month, day, hour, minute, second := f[0], f[1], f[2], f[3], f[4]
	if month < 1 || month > 12 || day < 1 || day > daysIn(month, year) || hour > 23 || minute > 59 || second > 59 {
		return d
	}
	t := time.Date(year, time.Month(month), day, hour, minute, second, 0, time.UTC)
	if t.IsZero() {
		// The zero Time means malformed, but 00010101000000Z is a date like
		// 00010102000000Z.
		t = t.Add(time.Nanosecond)
	}
	d.Time = t
	return d
}

// daysIn returns the number of days in a month of the Gregorian calendar.
func daysIn(month, year int) int {
	switch month {
	case 4, 6, 9, 11:
		return 30
	case 2:
		if year%4 == 0 && (year%100 != 0 || year%400 == 0) {
			return 29
		}
		return 28
	}
	return 31
}

// number parses decimal digits. It returns -1 for any other character.
func number(b []byte) int {
	n := 0
	for _, c := range b {
		if c < '0' || c > '9' {
			return -1
		}
		n = 10*n + int(c-'0')
	}
	return n
}
