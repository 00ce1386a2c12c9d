package cli

import (
	"bytes"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
)

func TestProgress(t *testing.T) {
	for name, test := range map[string]struct {
		show     bool
		duration time.Duration
		want     string
	}{
		"short":       {true, progressDelay - 1, ""},
		"long":        {true, progressDelay + 1, "Reading\\x1b ...\r\x1b[K"},
		"no terminal": {false, time.Hour, ""},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var out bytes.Buffer
				env := &Env{Stderr: &out, ShowProgress: test.show}
				stop := env.Progress("Reading\x1b")
				<-time.After(test.duration) // of the clock of the bubble
				synctest.Wait()
				stop()
				stop()
				assert.Equal(t, test.want, out.String())
			})
		})
	}
}
