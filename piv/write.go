package piv

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/smartlogon/smartlogon/card"
	"github.com/smartlogon/smartlogon/internal/ber"
	"github.com/smartlogon/smartlogon/internal/cardapp"
	"github.com/smartlogon/smartlogon/internal/inflate"
)

// maxObject bounds the content of an object to the data of one command.
const maxObject = 65000

// PutObject stores the content of an object, without the outer tag 53 that most have.
// Empty content deletes the object. Objects that this package decodes must be
// well-formed; MarshalBinary of [CHUID], [CCC], [KeyHistory] and [Discovery] returns
// their content. The error wraps [card.StatusNotEnoughMemory] if the card is full.
func (a *Admin) PutObject(ctx context.Context, tag Object, content []byte) error {
	err := checkObject(tag, content)
	if err == nil {
		err = a.putData(ctx, tag, content)
	}
	if err != nil {
		return fmt.Errorf("piv: store object %v: %w", tag, err)
	}
	return nil
}

// checkObject checks the arguments of PutObject.
func checkObject(tag Object, content []byte) error {
	if tag != ObjectDiscovery && tag != bitGroupObject && tag>>16 != 0x5F {
		return errors.New("not the tag of a PIV object")
	}
	if len(content) > maxObject {
		return fmt.Errorf("%d bytes are too long for an object", len(content))
	}
	if len(content) == 0 {
		return nil
	}
	var err error
	switch tag {
	case ObjectCHUID:
		_, err = decodeCHUID(content)
	case ObjectCCC:
		_, err = decodeCCC(content)
	case ObjectKeyHistory:
		_, err = decodeKeyHistory(content)
	case ObjectDiscovery:
		_, err = decodeDiscovery(content)
	case ObjectContainerMap:
		_, err = decodeContainers(content)
	default:
		for _, s := range allSlots() {
			if s.Object() == tag {
				_, err = decodeCertificate(content)
			}
		}
	}
	return malformedContent(err)
}

// malformedContent returns an error of a decoder for content that does not come from
// the card, so it does not wrap card.ErrMalformed.
func malformedContent(err error) error {
	if err == nil {
		return nil
	}
	reason := strings.TrimPrefix(err.Error(), card.ErrMalformed.Error()+": ")
	return fmt.Errorf("malformed content: %s", reason)
}

// putData sends PUT DATA (SP 800-73-4 part 2, 3.3.1).
func (a *Admin) putData(ctx context.Context, tag Object, content []byte) error {
	var data []byte
	if tag == ObjectDiscovery || tag == bitGroupObject {
		data = ber.Append(nil, ber.Tag(tag), content)
	} else {
		data = append(cardapp.TagList(ber.Tag(tag)), ber.Append(nil, 0x53, content)...)
	}
	var before, after objectState
	_, err := a.do(ctx, change{
		check: func(tx *card.Tx) (err error) {
			before, err = a.card.stateOf(tx, tag)
			return err
		},
		identity: tag == ObjectCHUID,
		command:  card.Command{INS: 0xDB, P1: 0x3F, P2: 0xFF, Data: data, Secret: tag.private()},
		look: func(ctx context.Context) State {
			err := a.card.read(ctx, func(tx *card.Tx) (err error) {
				after, err = a.card.stateOf(tx, tag)
				return err
			})
			switch {
			case err != nil || !after.known:
				return Unknown
			case !after.malformed && bytes.Equal(after.content, content):
				return Changed
			case !before.known:
				return Unknown
			case after.equal(before):
				return Unchanged
			}
			return Damaged // some cards store the parts of a chain as they come
		},
	})
	if err == nil && tag == ObjectDiscovery {
		a.card.mu.Lock()
		a.card.learned, a.card.discovery = false, nil
		a.card.mu.Unlock()
	}
	return err
}

// An objectState is what an object had when it was read.
type objectState struct {
	known     bool   // the card permits to read it
	malformed bool   // it is not in the form of the standard
	content   []byte // empty if it is missing
}

func (s objectState) equal(t objectState) bool {
	return s.malformed == t.malformed && bytes.Equal(s.content, t.content)
}

// stateOf reads an object before and after it is written.
func (c *Card) stateOf(tx *card.Tx, tag Object) (objectState, error) {
	whole, err := getData(tx, tag)
	switch {
	case cardapp.LacksObject(err):
		return objectState{known: true}, nil
	case isObjectError(err):
		return objectState{}, nil
	case err != nil:
		return objectState{}, err
	}
	content, err := unwrap(whole, tag)
	if errors.Is(err, card.ErrMalformed) {
		return objectState{known: true, malformed: true, content: whole}, nil
	}
	return objectState{known: true, content: content}, nil
}

// The largest certificates that are stored uncompressed at first: on any card (SP
// 800-73-4 part 1, table 10), and on a YubiKey, which holds so much in an object.
const (
	maxPlain        = 1856
	maxPlainYubiKey = 3052 - 11
)

// PutCertificate stores a certificate, in DER, in a slot. It is compressed if it is
// longer than every card must accept, or than the card does (SP 800-73-4 part 1,
// appendix A); some programs cannot read that. To delete a certificate, call [Admin.PutObject] with s.Object() and no
// content. For programs to find certificates of retired keys, store a [KeyHistory],
// too.
func (a *Admin) PutCertificate(ctx context.Context, s Slot, der []byte) error {
	if err := a.putCertificate(ctx, s, der); err != nil {
		return fmt.Errorf("piv: store certificate %v: %w", s, err)
	}
	return nil
}

func (a *Admin) putCertificate(ctx context.Context, s Slot, der []byte) error {
	plain := certificateContent(der, 0x00)
	switch _, err := decodeCertificate(plain); {
	case !s.Valid():
		return errNoSlot
	case len(der) == 0:
		return errors.New("no certificate")
	case err != nil:
		return malformedContent(err)
	case len(der) > inflate.MaxSize:
		return fmt.Errorf("%d bytes are too long for a certificate", len(der))
	}
	compressed := compress(der)
	most := maxPlain
	if a.card.isYubiKey() {
		most = maxPlainYubiKey
	}
	var refused error
	if compressed == nil || len(der) <= most {
		refused = a.putData(ctx, s.Object(), plain)
		tooLong := errors.Is(refused, card.StatusNotEnoughMemory) || errors.Is(refused, card.StatusWrongLength)
		if compressed == nil || !tooLong {
			return refused
		}
	}
	err := a.putData(ctx, s.Object(), certificateContent(compressed, 0x01))
	var damaged *InterruptedError
	if err != nil && errors.As(refused, &damaged) && !errors.As(err, new(*InterruptedError)) {
		// What the first attempt has done to the card is still true.
		return &InterruptedError{damaged.State, err}
	}
	return err
}

// compress returns data as gzip, nil if that is not shorter.
func compress(data []byte) []byte {
	var compressed bytes.Buffer
	z := gzip.NewWriter(&compressed)
	_, _ = z.Write(data) // a Buffer returns no error
	_ = z.Close()
	if compressed.Len() >= len(data) {
		return nil
	}
	return compressed.Bytes()
}

// certificateContent returns the content of a certificate's object.
func certificateContent(certificate []byte, info byte) []byte {
	content := ber.Append(nil, 0x70, certificate)
	content = ber.Append(content, 0x71, []byte{info})
	return ber.Append(content, 0xFE, nil)
}
