package sshagent

// For fuzzing.
func ParseMessage(data, key []byte) error {
	_, err := parseMessage(data, key)
	return err
}

func AddBinding(contents []byte) error {
	_, err := bindings{}.add(contents)
	return err
}
