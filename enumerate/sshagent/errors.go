package sshagent

import "github.com/smartlogon/smartlogon/internal/fault"

// Errors of this package. Others come from packages enumerate and card; see
// [card.Hint].
var (
	// ErrLocked reports that the agent is locked.
	ErrLocked = fault.New(fault.Object, "agent is locked", "Unlock the agent with ssh-add -X.")

	// ErrPassphrase reports a wrong passphrase for Unlock.
	ErrPassphrase = fault.New(fault.Object, "passphrase is wrong", "Enter the passphrase that ssh-add -x asked for.")

	// ErrNoKey reports a public key that is on no card.
	ErrNoKey = fault.New(fault.Object, "no card with this key", "Insert the card; ssh-add -L lists the keys.")

	// ErrNotSSH reports data that is neither a request to log in nor a text to
	// sign. The agent does not sign it, since it may be of another protocol.
	ErrNotSSH = fault.New(fault.Object, "data to sign is not of SSH", "Use the key for logging in, or with ssh-keygen -Y sign, only.")

	// ErrSHA1 reports that a client wants an RSA signature of SHA-1.
	ErrSHA1 = fault.New(fault.Object, "RSA signatures of SHA-1 are not made", "Use OpenSSH 7.2 or later on both sides.")

	// ErrBinding reports a request that does not belong to the connection that the
	// client has announced, or a malformed announcement.
	ErrBinding = fault.New(fault.Object, "request is not of the announced SSH connection", "Connect again; do not forward the agent to hosts that you do not trust.")

	// ErrNotConfirmed reports that Confirm returned an error.
	ErrNotConfirmed = fault.New(fault.Object, "use was not confirmed", "Try again, and confirm the use of the key.")
)
