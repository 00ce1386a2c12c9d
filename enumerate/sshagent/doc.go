// Package sshagent is an SSH agent with the keys on smart cards, for unmodified SSH
// clients and for clients written with golang.org/x/crypto/ssh.
//
//	keys := &sshagent.Agent{Finder: &enumerate.Finder{Service: service}, PIN: prompt.Terminal(os.Stdin)}
//	defer keys.Close()
//	err := keys.Serve(ctx, listener) // SSH_AUTH_SOCK is the path of the listener's socket
//
// A client in the same program needs no socket:
//
//	config := ssh.ClientConfig{User: "alice", Auth: []ssh.AuthMethod{ssh.PublicKeysCallback(keys.Signers)}}
//
// The agent lists the keys of all certificates on the cards that are in the readers,
// whether Windows would offer them or not, except those that must not sign and the
// Card Authentication key of PIV. ssh-add -L prints them as lines for authorized_keys.
// The certificates themselves are not used: SSH knows the keys alone.
//
// The first use of a key asks for the PIN. Then the key stays open, and the PIN
// verified, until the card is removed, for [Agent].Lifetime, or until [Agent.Close],
// ssh-add -D or ssh-add -x. Parallel uses share the prompt, which ends with the last
// client that waits for it.
//
// # What is signed
//
// The key of a card to sign in with is also good for TLS, Kerberos and mail. So the
// agent only signs requests to log in by SSH (RFC 4252) and the texts of ssh-keygen -Y
// sign, which git uses. It does not sign SSH certificates or for other protocols, nor
// by RSA with SHA-1.
//
// Clients of OpenSSH 8.9 and later announce the server that they are connected to, and
// the server proves it. Then [Use] has the fingerprint of the server for
// [Agent].Confirm, and a request for another connection is refused.
//
// # The commands of ssh-add
//
//	-l, -L    lists the cards; nothing while the agent is locked
//	-d, -D    closes keys, so that the PIN is asked for again
//	-x, -X    locks and unlocks the agent; locking closes the keys
//	-t, -c    are for keys that are added, see Lifetime and Confirm
//	FILE, -s  fails: the keys are on cards
package sshagent
