package gids

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"

	"github.com/smartlogon/smartlogon/card"
	"github.com/smartlogon/smartlogon/internal/cardapp"
)

// contents caches what was read from a card.
type contents struct {
	files    []file
	counters []byte // the content of \cardcf, nil if there is none
	entries  []entry
}

// An entry is a certificate, or an error about a certificate or a table.
type entry struct {
	name string // of the file or the table
	cert *Certificate
	err  error
}

// isTransient reports whether the next attempt may succeed: the error is a status
// that says nothing about the data on the card.
func (e entry) isTransient() bool {
	var status card.Status
	return errors.As(e.err, &status) && !errors.Is(e.err, ErrNotFound)
}

// has reports whether c, which may be nil, has that very certificate.
func (c *contents) has(cert *Certificate) bool {
	return c != nil && slices.ContainsFunc(c.entries, func(e entry) bool {
		return e.cert != nil && e.cert.at == cert.at && e.cert.Container == cert.Container && bytes.Equal(e.cert.Raw, cert.Raw)
	})
}

// unchanged returns what is cached of the card, nil if nothing is or if the card's
// counters of changes differ.
func (c *Card) unchanged(tx *card.Tx) (*contents, error) {
	c.mu.Lock()
	cached := c.cached
	c.mu.Unlock()
	if cached == nil {
		return nil, nil
	}
	counters, err := readFile(tx, cached.files, "", counterFile)
	switch {
	case err != nil && !isObjectError(err):
		return nil, err
	case err != nil || !bytes.Equal(counters, cached.counters):
		return nil, nil
	}
	return cached, nil
}

// setCached caches contents if the card has what unchanged and ensureSelected compare:
// counters and an identifier.
func (c *Card) setCached(read *contents) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.cached = nil
	if c.id != nil && read.counters != nil && !slices.ContainsFunc(read.entries, entry.isTransient) {
		c.cached = read
	}
}

const counterFile = "cardcf"

// countersSize is the size of \cardcf: a version, and counters of changes to PINs,
// containers and files.
const countersSize = 6

// maxCertificates bounds the number of certificates: two for each container.
const maxCertificates = 2 * maxContainers

// Certificates reads the certificates on the card in one transaction and yields each
// as soon as it is read: first that of the default container, then by container. An
// error about one certificate or one table does not end the sequence; one about the
// card does. A card that was never initialized has no certificates.
//
// While the card's counters of changes stay the same, the certificates are yielded
// from a cache.
//
// The transaction does not wait for the caller. Breaking off ends it.
func (c *Card) Certificates(ctx context.Context) iter.Seq2[*Certificate, error] {
	return cardapp.Stream(ctx, func(ctx context.Context, emit func(*Certificate, error)) {
		l := listing{card: c, emit: emit, emitted: make(map[string]bool)}
		if err := c.read(ctx, l.run); err != nil {
			emit(nil, err)
		}
	})
}

// A listing reads what is on a card and emits it.
type listing struct {
	card    *Card
	emit    func(*Certificate, error)
	emitted map[string]bool // names of entries; a reset makes the listing start again
	read    *contents
}

// run lists in a transaction.
func (l *listing) run(tx *card.Tx) error {
	cached, err := l.card.unchanged(tx)
	if err != nil {
		return err
	}
	if cached != nil {
		for _, e := range cached.entries {
			l.emitOnce(e)
		}
		return nil
	}
	l.read = new(contents)
	if err := l.readAll(tx); err != nil {
		return err
	}
	l.card.setCached(l.read)
	return nil
}

func (l *listing) emitOnce(e entry) {
	if !l.emitted[e.name] {
		l.emitted[e.name] = true
		l.emit(e.cert, e.err)
	}
}

func (l *listing) add(e entry) {
	l.read.entries = append(l.read.entries, e)
	l.emitOnce(e)
}

// addTableError reports a malformed or missing table, if err is not nil.
func (l *listing) addTableError(table string, at object, err error) {
	if err != nil {
		l.add(entry{name: table, err: fmt.Errorf("gids: %s: object %v: %w", table, at, err)})
	}
}

// readAll reads the tables and all certificates. Only an error about the card ends
// it.
func (l *listing) readAll(tx *card.Tx) error {
	table, err := readObject(tx, masterFile)
	switch {
	case errors.Is(err, ErrNotFound):
		return nil // never initialized
	case err != nil && !isObjectError(err):
		return err
	case err == nil:
		l.read.files, err = decodeMasterFile(table)
	}
	l.addTableError("master file table", masterFile, err)
	counters, err := readFile(tx, l.read.files, "", counterFile)
	if err != nil && !isObjectError(err) {
		return err
	}
	if len(counters) >= countersSize {
		l.read.counters = counters
	}
	containers, err := l.readContainers(tx)
	if err != nil {
		return err
	}
	return l.readCertificates(tx, containers)
}

// readContainers reads the container map and the key map. Well-formed records count,
// even in a malformed map.
func (l *listing) readContainers(tx *card.Tx) ([]Container, error) {
	const name = "cmapfile"
	f, ok := findFile(l.read.files, directory, name)
	if !ok {
		return nil, nil
	}
	var list []Container
	content, err := readFile(tx, l.read.files, directory, name)
	switch {
	case err != nil && !isObjectError(err):
		return nil, err
	case err == nil:
		list, err = decodeContainers(content)
	}
	l.addTableError("container map", f.at, err)
	if len(list) == 0 {
		return nil, nil
	}
	content, err = readObject(tx, keyMap)
	switch {
	case err != nil && !isObjectError(err):
		return nil, err
	case err == nil:
		err = applyKeyMap(list, content)
	case errors.Is(err, ErrNotFound):
		err = nil // optional
	}
	l.addTableError("key map", keyMap, err)
	return list, nil
}

// readCertificates reads the files that are named as certificates.
func (l *listing) readCertificates(tx *card.Tx, containers []Container) error {
	n := newNumbering(tx, containers, l.read.files)
	files := n.sorted()
	if len(files) > maxCertificates {
		l.addTableError("number of certificates", masterFile, malformed("%d certificates, at most %d fit into the containers", len(files), maxCertificates))
		files = files[:maxCertificates]
	}
	id, err := l.card.readIdentity(tx)
	if err != nil {
		return err
	}
	for _, f := range files {
		c := &Certificate{File: f.original, Signature: f.signature(), Card: id, at: f.at}
		err := f.err
		if err == nil {
			c.Raw, err = readCertificate(tx, f.at)
		}
		if err == nil {
			c.Container, err = n.containerOf(f, c.Raw)
		}
		switch {
		case err == nil:
			l.add(entry{name: f.name, cert: c})
		case isObjectError(err):
			if f.err == nil {
				err = fmt.Errorf("object %v: %w", f.at, err)
			}
			l.add(entry{name: f.name, err: fmt.Errorf("gids: certificate %s: %w", f.original, err)})
		default:
			return err
		}
	}
	return nil
}

// sorted returns the files of certificates, first that of the default container,
// then by container, as far as their names tell.
func (n *numbering) sorted() []file {
	rank := func(f file) int {
		i := f.indices()[0]
		if candidates := n.candidates[f.name]; len(candidates) > 0 {
			i = candidates[0]
		}
		if i < len(n.containers) && n.containers[i].Default {
			return -1
		}
		return i
	}
	files := slices.Clone(n.files)
	slices.SortStableFunc(files, func(a, b file) int { return cmp.Compare(rank(a), rank(b)) })
	return files
}
