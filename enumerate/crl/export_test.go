package crl

// Functions for the fuzz targets.
var (
	ParseScope = func(value []byte) error { _, err := parseScope(value); return err }
	ParsePoint = func(value []byte) ([]string, error) { p, err := parsePoints(value); return p.readable(), err }
)

// ParseList parses a list and returns the serial numbers of its entries.
func ParseList(der []byte) (serials [][]byte, err error) {
	l, failure := parseList(der)
	if failure != nil {
		return nil, failure
	}
	return serials, walkEntries(l.entries, func(serial []byte, _ int) { serials = append(serials, serial) })
}

// Kept returns the number of lists that are kept.
func (c *Checker) Kept() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.lists)
}

// CountEntries parses a list and returns the number of its entries.
func CountEntries(der []byte) (n int, err error) {
	l, failure := parseList(der)
	if failure != nil {
		return 0, failure
	}
	return n, walkEntries(l.entries, func([]byte, int) { n++ })
}
