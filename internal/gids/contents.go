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

// Contents is what is on a card, as long as its counters stay as they are.
type contents struct {
	files    []file
	counters []byte // the content of \cardcf; nil where there is none, and then nothing is remembered
	found    []listed
}

// A listed is a certificate, or what is wrong with one or with a table.
type listed struct {
	name string // of the file, or the table
	cert *Certificate
	err  error
}

// countersSize is the size of \cardcf: a version, and counters of changes to PINs,
// containers and files.
const countersSize = 6

// maxCertificates bounds how many certificates are read: two for each container
// that there can be.
const maxCertificates = 2 * maxContainers

// Certificates reads the certificates on the card in one section and yields each as
// it comes, the one of the default container first, then by container. An error is
// about one of them, or about a table of the card, and does not end the sequence,
// unless it is about the card. A card that was never set up has none.
//
// As long as the card's counters say that nothing has changed, what was read
// before is yielded again.
//
// The section does not wait for the caller. To break off ends it.
func (c *Card) Certificates(ctx context.Context) iter.Seq2[*Certificate, error] {
	return cardapp.Stream(ctx, func(ctx context.Context, found func(*Certificate, error)) {
		l := lister{card: c, found: found, told: make(map[string]bool)}
		if err := c.read(ctx, l.list); err != nil {
			found(nil, err)
		}
	})
}

// A lister reads what is on a card and hands it over.
type lister struct {
	card  *Card
	found func(*Certificate, error)
	told  map[string]bool // what was handed over; the card may be reset in the middle
	now   *contents
}

func (l *lister) list(tx *card.Tx) error {
	if same, err := l.unchanged(tx); same || err != nil {
		return err
	}
	l.now = new(contents)
	if err := l.readAll(tx); err != nil {
		return err
	}
	c := l.card
	c.mu.Lock()
	defer c.mu.Unlock()
	c.listed = nil
	if c.id != nil && l.now.counters != nil && !slices.ContainsFunc(l.now.found, listed.passing) {
		c.listed = l.now
	}
	return nil
}

// unchanged tells what is known, if it is still so.
func (l *lister) unchanged(tx *card.Tx) (bool, error) {
	l.card.mu.Lock()
	known := l.card.listed
	l.card.mu.Unlock()
	if known == nil {
		return false, nil
	}
	counters, err := readFile(tx, known.files, "", "cardcf")
	if err != nil || !bytes.Equal(counters, known.counters) {
		if err != nil && isObjectError(err) {
			err = nil
		}
		return false, err
	}
	for _, it := range known.found {
		l.tell(it)
	}
	return true, nil
}

// tell hands over what was found, once.
func (l *lister) tell(it listed) {
	if !l.told[it.name] {
		l.told[it.name] = true
		l.found(it.cert, it.err)
	}
}

// add is for what was found just now.
func (l *lister) add(it listed) {
	l.now.found = append(l.now.found, it)
	l.tell(it)
}

// wrong is for a table that is wrong, or absent without leave.
func (l *lister) wrong(table string, at object, err error) {
	if err != nil {
		l.add(listed{name: table, err: fmt.Errorf("gids: %s, object %v: %w", table, at, err)})
	}
}

// passing reports whether it may be gone the next time: the card gave a status that
// is not about what it holds.
func (it listed) passing() bool {
	var status card.Status
	return errors.As(it.err, &status) && !errors.Is(it.err, ErrNotFound)
}

// readAll reads the tables and all certificates. Only an error about the card ends
// it.
func (l *lister) readAll(tx *card.Tx) error {
	table, err := readObject(tx, masterFile)
	switch {
	case errors.Is(err, ErrNotFound):
		return nil // nobody has set it up
	case err != nil && !isObjectError(err):
		return err
	case err == nil:
		l.now.files, err = decodeMasterFile(table)
	}
	l.wrong("master file table", masterFile, err)
	counters, err := readFile(tx, l.now.files, "", "cardcf")
	if err != nil && !isObjectError(err) {
		return err
	}
	if len(counters) >= countersSize {
		l.now.counters = counters
	}
	containers, err := l.readContainers(tx)
	if err != nil {
		return err
	}
	return l.readCertificates(tx, containers)
}

// readContainers reads the container map and the key map. Of both what makes
// sense counts.
func (l *lister) readContainers(tx *card.Tx) ([]Container, error) {
	f, ok := find(l.now.files, directory, "cmapfile")
	if !ok {
		return nil, nil
	}
	var list []Container
	content, err := readFile(tx, l.now.files, directory, "cmapfile")
	switch {
	case err != nil && !isObjectError(err):
		return nil, err
	case err == nil:
		list, err = decodeContainers(content)
	}
	l.wrong("container map", f.at, err)
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
		err = nil // most cards work without
	}
	l.wrong("key map", keyMap, err)
	return list, nil
}

// readCertificates reads the files that are called as certificates are.
func (l *lister) readCertificates(tx *card.Tx, containers []Container) error {
	n := newNumbering(tx, containers, l.now.files)
	files := n.sorted()
	if len(files) > maxCertificates {
		l.wrong("number of certificates", masterFile, malformed("%d certificates are more than there are containers for", len(files)))
		files = files[:maxCertificates]
	}
	id, err := l.card.readIdentity(tx)
	if err != nil {
		return err
	}
	for _, f := range files {
		it := &Certificate{File: f.spelt, Signature: f.signature(), Card: id, at: f.at}
		err := f.err
		if err == nil {
			it.Raw, err = readCertificate(tx, f.at)
		}
		if err == nil {
			it.Container, err = n.container(f, it.Raw)
		}
		switch {
		case err == nil:
			l.add(listed{name: f.name, cert: it})
		case isObjectError(err):
			l.add(listed{name: f.name, err: certificateError(f.spelt, f.at, err)})
		default:
			return err
		}
	}
	return nil
}

// sorted are the files of certificates, that of the default container first, then
// by container, as far as their names tell.
func (n *numbering) sorted() []file {
	rank := func(f file) int {
		i := f.indices()[0]
		if meant := n.meant[f.name]; len(meant) > 0 {
			i = meant[0]
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
