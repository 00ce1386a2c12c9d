package cardtest

// OnCommand makes the readers call f before each command from now on, with the
// name of the reader, on the goroutine that transmits the command. f must not
// keep or change the command; it may call the methods of r. A nil f ends that.
func (r *Readers) OnCommand(f func(reader string, command []byte)) {
	if f == nil {
		r.set.Intercept(r.exchange)
		return
	}
	r.set.Intercept(func(name string, command []byte, send func([]byte) ([]byte, error)) ([]byte, error) {
		f(name, command)
		return r.exchange(name, command, send)
	})
}
