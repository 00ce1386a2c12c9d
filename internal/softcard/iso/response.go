package iso

import "slices"

// nothingWaits is the status of a GET RESPONSE without waiting data. The standards
// do not define it; this is a YubiKey's.
const nothingWaits = BadData

// respond returns the response, or as much of it as the sender accepts; the rest
// waits for GET RESPONSE.
func (c *Card) respond(a Response, command Command) Response {
	if len(a.Data) == 0 {
		return a
	}
	limit := c.limit(command)
	if c.config.MaxFirst > 0 && !command.Extended {
		limit = min(limit, c.config.MaxFirst)
	}
	switch {
	case c.config.T0 && command.Ne == 0, c.fetchFirst(command, len(a.Data) > limit):
		limit = 0
	case c.refusesLe(command, len(a.Data)):
		return exactLength(len(a.Data)).Response()
	case len(a.Data) > limit && c.config.NoResponseChaining:
		if limit == command.Ne && len(a.Data) <= maxShort {
			return exactLength(len(a.Data)).Response()
		}
		return WrongLength.Response()
	}
	return c.split(a, limit)
}

// getResponse returns the next part of the waiting data (ISO/IEC 7816-4, 7.6.1).
func (c *Card) getResponse(command Command) Response {
	switch {
	case len(c.waiting.Data) == 0:
		return nothingWaits.Response()
	case command.P1 != 0 || command.P2 != 0:
		return BadParameters.Response()
	case c.refusesLe(command, len(c.waiting.Data)):
		return exactLength(len(c.waiting.Data)).Response()
	}
	return c.split(c.waiting, c.limit(command))
}

// split returns at most limit bytes and keeps the rest.
func (c *Card) split(a Response, limit int) Response {
	c.waiting = Response{}
	if len(a.Data) <= limit {
		return a
	}
	c.waiting = Response{Data: slices.Clone(a.Data[limit:]), Status: a.Status}
	return Response{Data: a.Data[:limit], Status: c.moreData(len(c.waiting.Data))}
}

// limit returns the number of response bytes that a command accepts. Without Le it
// is the largest that its form allows: real cards do so, and clients rely on it.
func (c *Card) limit(command Command) int {
	n := command.Ne
	if n == 0 || c.config.IgnoresLe {
		n = maxShort
		if command.Extended {
			n = maxExtended
		}
	}
	if c.config.MaxResponse > 0 {
		n = min(n, c.config.MaxResponse)
	}
	return n
}

// fetchFirst reports whether the card announces the response to a command before it
// sends data.
func (c *Card) fetchFirst(command Command, long bool) bool {
	switch c.config.FetchFirst {
	case FetchWithoutLe:
		return command.Ne == 0
	case FetchLong:
		return long
	case FetchAlways:
		return true
	}
	return false
}

// moreData returns 61XX for a number of waiting bytes.
func (c *Card) moreData(waiting int) Status {
	if c.config.MoreIsFF {
		waiting = min(waiting, 0xFF)
	}
	return moreData(waiting)
}

// refusesLe reports whether the card refuses Le for a response of available bytes.
// With T=0 a card must send exactly as many bytes as the header announces.
func (c *Card) refusesLe(command Command, available int) bool {
	switch {
	case command.Ne <= available:
		return false
	case c.config.T0:
		return true
	}
	return c.config.ExactLe && command.Ne != maxShort && command.Ne != maxExtended
}
