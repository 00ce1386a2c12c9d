package explain

import (
	"context"
	"errors"
	"fmt"

	"github.com/smartlogon/smartlogon/card"
	"github.com/smartlogon/smartlogon/enumerate/rules"
	"github.com/smartlogon/smartlogon/examples/internal/cli"
)

// errUnreadable reports that a file or a part of it could not be read. The reason has
// been printed.
var errUnreadable = errors.New("not all certificates could be read")

// files explains the certificates in files, until ctx ends.
func (e *explainer) files(ctx context.Context, names []string) error {
	var result error
	for _, name := range names {
		data, err := cli.ReadFile(name)
		if err != nil {
			result = errUnreadable
			e.out.problem(name, err, "")
			continue
		}
		n := 0
		for der, err := range certificates(data) {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			n++
			source := name
			if n > 1 {
				source = fmt.Sprintf("%s (certificate %d)", name, n)
			}
			var x *explanation
			if err == nil {
				x, err = e.explain(source, der, rules.KeySpec{})
			}
			if err != nil {
				result = errUnreadable
				e.out.problem(source, err, card.Hint(err))
				continue
			}
			e.out.certificate(x)
		}
	}
	return result
}
