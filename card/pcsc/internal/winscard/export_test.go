package winscard

import (
	"time"

	"github.com/smartlogon/smartlogon/card/driver"
)

// SetCloseTimeout sets how long Close of a service and its cards waits for calls
// that cannot be canceled.
func SetCloseTimeout(s driver.Service, d time.Duration) { s.(*service).closeTimeout = d }
