package client

import (
	"time"

	"github.com/smartlogon/smartlogon/card/driver"
)

var ConnectError = connectError

// SetCloseTimeout sets how long Close of a card waits for the service.
func SetCloseTimeout(s driver.Service, d time.Duration) { s.(*service).closeTimeout = d }
