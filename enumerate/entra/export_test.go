package entra

// Readers of what a service sends.
var (
	ReadInputs   = readInputs
	ParsePayload = parsePayload
	ParseTokens  = parseTokens
)

// ReadConfig returns context and flow token of a page.
func ReadConfig(page []byte) (context, flow string, ok bool) {
	c, ok := readConfig(page)
	return c.Context, c.Flow, ok
}

// OpenJWE parses a JWE and decrypts it with a key.
func OpenJWE(text string, key []byte) ([]byte, error) {
	j, err := parseJWE(text)
	if err != nil {
		return nil, err
	}
	return j.open(key)
}
