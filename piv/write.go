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

// maxObject bounds what is written: the data of one command.
const maxObject = 65000

// PutObject stores the content of an object, without the tag 53 that most are
// wrapped in; no content removes it. What this package reads it stores only if it
// could read it again: MarshalBinary of [CHUID], [CCC], [KeyHistory] and
// [Discovery] makes it. The error wraps [card.StatusNotEnoughMemory] where the card has
// no room.
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

// checkObject is about the arguments alone.
func checkObject(tag Object, content []byte) error {
	if tag != ObjectDiscovery && tag != bitGroupObject && tag>>16 != 0x5F {
		return errors.New("PIV has no objects with such a tag")
	}
	if len(content) > maxObject {
		return fmt.Errorf("%d bytes are more than an object can have", len(content))
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
	return unreadable(err)
}

// unreadable is a fault of what is to be stored, which is not the card's yet.
func unreadable(err error) error {
	if err == nil {
		return nil
	}
	reason := strings.TrimPrefix(err.Error(), card.ErrMalformed.Error()+": ")
	return fmt.Errorf("nobody could read that: %s", reason)
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
				return Unchanged // the parts of a chain count only together
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

// PutCertificate stores a certificate for the key in a slot, DER. It is
// compressed if the card has no room for it as it is (SP 800-73-4 part 1,
// appendix A): not all programs can read that. To remove one, store no content
// as the slot's object. Certificates of retired keys are looked for if the key
// history announces them, which is another object to store.
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
		return errors.New("there is no certificate")
	case err != nil:
		return unreadable(err)
	case len(der) > inflate.MaxSize:
		return fmt.Errorf("%d bytes are more than anybody would read", len(der))
	}
	err := a.putData(ctx, s.Object(), plain)
	if !errors.Is(err, card.StatusNotEnoughMemory) && !errors.Is(err, card.StatusWrongLength) {
		return err
	}
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	if _, err := z.Write(der); err != nil {
		return err
	}
	if err := z.Close(); err != nil {
		return err
	}
	if packed.Len() >= len(der) {
		return err
	}
	return a.putData(ctx, s.Object(), certificateContent(packed.Bytes(), 0x01))
}

// certificateContent is the content of a certificate's object.
func certificateContent(certificate []byte, info byte) []byte {
	content := ber.Append(nil, 0x70, certificate)
	content = ber.Append(content, 0x71, []byte{info})
	return ber.Append(content, 0xFE, nil)
}
