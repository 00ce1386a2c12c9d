package sshagent_test

import (
	"fmt"

	"github.com/smartlogon/smartlogon/card"
	"github.com/smartlogon/smartlogon/card/cardtest"
	"github.com/smartlogon/smartlogon/enumerate"
	"github.com/smartlogon/smartlogon/enumerate/sshagent"
	"golang.org/x/crypto/ssh"
)

// An SSH client of the same program uses the keys on the cards. The program
// examples/ssh-agent serves them to other programs.
func ExampleAgent() {
	service := cardtest.NewService(cardtest.Logon("alice@example.com"))
	defer service.Close()
	keys := &sshagent.Agent{Finder: &enumerate.Finder{Service: service}, PIN: card.FixedPIN(cardtest.PIN)}
	defer keys.Close()

	config := &ssh.ClientConfig{User: "alice", Auth: []ssh.AuthMethod{ssh.PublicKeysCallback(keys.Signers)}}
	fmt.Println(len(config.Auth), "method to log in as", config.User)

	list, err := keys.List()
	for _, key := range list {
		fmt.Println(key.Format, key.Comment)
	}
	fmt.Println(err)
	// Output:
	// 1 method to log in as alice
	// ssh-rsa alice@example.com (PIV 9A in "Software Reader 00")
	// <nil>
}
