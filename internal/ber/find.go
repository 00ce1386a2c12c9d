package ber

// Find returns the value of the first element of b with the given tag, read as
// [BER] reads. A fault after that element is not reported.
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
