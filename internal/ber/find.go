package ber

// Find returns the value of the first element with the given tag among the
// elements of b, read as [BER] reads them. An element that stands before a
// fault is found; otherwise the fault is the error.
func Find(b []byte, tag Tag) (value []byte, ok bool, err error) {
	r := BER(b)
	for {
		e, more := r.Next()
		if !more {
			return nil, false, r.Err()
		}
		if e.Tag == tag {
			return e.Value, true, nil
		}
	}
}
