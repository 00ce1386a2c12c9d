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
	_, err := a.do(ctx, change{
		identity: tag == ObjectCHUID,
		command:  card.Command{INS: 0xDB, P1: 0x3F, P2: 0xFF, Data: data, Secret: tag.private()},
		look: func(ctx context.Context) State {
			got, err := a.card.Object(ctx, tag)
			switch {
			case err == nil && bytes.Equal(got, content), errors.Is(err, ErrNotFound) && len(content) == 0:
				return Changed
			case err == nil, errors.Is(err, ErrNotFound):
				return Unchanged // the card ignores an incomplete chain
			}
			return Unknown
		},
	})
	if err == nil && tag == ObjectDiscovery {
		a.card.mu.Lock()
		a.card.learned, a.card.discovery = false, nil
		a.card.mu.Unlock()
	}
	return err
}

// PutCertificate stores a certificate, in DER, in a slot. It is compressed if the card
// has no room for it otherwise (SP 800-73-4 part 1, appendix A); some programs cannot
// read that. To delete a certificate, call [Admin.PutObject] with s.Object() and no
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
	err := a.putData(ctx, s.Object(), plain)
	if !errors.Is(err, card.StatusNotEnoughMemory) && !errors.Is(err, card.StatusWrongLength) {
		return err
	}
	var compressed bytes.Buffer
	z := gzip.NewWriter(&compressed)
	if _, err := z.Write(der); err != nil {
		return err
	}
	if err := z.Close(); err != nil {
		return err
	}
	if compressed.Len() >= len(der) {
		return err
	}
	return a.putData(ctx, s.Object(), certificateContent(compressed.Bytes(), 0x01))
}

// certificateContent returns the content of a certificate's object.
func certificateContent(certificate []byte, info byte) []byte {
	content := ber.Append(nil, 0x70, certificate)
	content = ber.Append(content, 0x71, []byte{info})
	return ber.Append(content, 0xFE, nil)
}
