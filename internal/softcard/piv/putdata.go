package piv

import (
	"cmp"
	"slices"

	"github.com/smartlogon/smartlogon/internal/ber"
	"github.com/smartlogon/smartlogon/internal/softcard/iso"
)

// defaultMaxObject exceeds the largest object of SP 800-73-4, the facial image.
const defaultMaxObject = 16 << 10

// checkAdmin returns the status of a command that requires the administrator's
// key and the contact interface.
func (a *Application) checkAdmin() iso.Status {
	switch {
	case a.config.Contactless:
		return iso.NotSupported
	case !a.admin.authenticated:
		return iso.SecurityNotSatisfied
	}
	return iso.OK
}

// putData processes PUT DATA, which replaces a whole object (SP 800-73-4 part
// 2, 3.3.1). An empty value removes it.
func (a *Application) putData(c iso.Command) iso.Status {
	if c.P1P2() != currentFile {
		return iso.BadParameters
	}
	if s := a.checkAdmin(); s != iso.OK {
		return s
	}
	tag, value, ok := parsePutData(c.Data)
	if !ok {
		return iso.BadData
	}
	limit := a.maxObject()
	switch _, defined := a.rule(tag); {
	case !defined:
		return iso.NotFound
	case len(value) > limit:
		return iso.NoMemory
	case tag == tagDiscovery && len(value) > 0 && !validDiscovery(value):
		return iso.BadData
	}
	a.store(tag, value)
	return iso.OK
}

func (a *Application) maxObject() int { return cmp.Or(a.config.MaxObject, defaultMaxObject) }

// maxPutHeader is the length of tag list, tag and length of an object at most.
const maxPutHeader = 5 + 4

// Continue implements [iso.ChainLimiter] for Quirks.PartialWrite.
func (a *Application) Continue(chain iso.Command, next []byte) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	data := append(slices.Clone(chain.Data), next...)
	if !a.config.Quirks.PartialWrite || chain.INS != insPutData || len(data) <= a.maxObject()+maxPutHeader {
		return true
	}
	if a.checkAdmin() == iso.OK {
		a.storeBeginning(chain.Data)
	}
	return false
}

// storeBeginning stores what there is of an object, from data that ends early.
func (a *Application) storeBeginning(data []byte) {
	if len(data) <= maxPutHeader {
		return
	}
	tag, ok := parseTagList(data[:5])
	if _, defined := a.rule(tag); ok && defined {
		a.store(tag, data[maxPutHeader:])
	}
}

// parsePutData parses the data of PUT DATA: a tag list and a value in tag 53,
// or one of the two objects with a tag of their own.
func parsePutData(data []byte) (tag ber.Tag, value []byte, ok bool) {
	r := ber.BER(data)
	first, ok := r.Next()
	if !ok {
		return 0, nil, false
	}
	if first.Tag == tagDiscovery || first.Tag == tagBiometricGroup {
		return first.Tag, first.Value, r.Close() == nil
	}
	tag, ok = parseTagList(first.Raw)
	if !ok || wrapperTag(tag) != tagContainer {
		return 0, nil, false
	}
	e, ok := r.Take(tagContainer)
	return tag, e.Value, ok && r.Close() == nil
}
