package cba

import (
	"fmt"
	"slices"

	"github.com/smartlogon/smartlogon/upn"
	"github.com/smartlogon/smartlogon/upn/mapping"
)

// A User is an account of the directory file.
type User struct {
	UPN                string   `json:"userPrincipalName"`
	OnPremisesUPN      string   `json:"onPremisesUserPrincipalName,omitempty"`
	Name               string   `json:"displayName,omitempty"`
	CertificateUserIDs []string `json:"certificateUserIds,omitempty"`
	Groups             []string `json:"groups,omitempty"`
}

func (u *User) account() mapping.Account {
	return mapping.Account{UPN: u.UPN, OnPremisesUPN: u.OnPremisesUPN, CertificateUserIDs: u.CertificateUserIDs}
}

func (u *User) isIn(group string) bool { return slices.Contains(u.Groups, group) }

// A Directory is the accounts of a tenant.
type Directory []User

// Limits of certificateUserIds in Entra ID.
const (
	maxUserIDs      = 10
	maxUserIDLength = 1024
)

// Check returns why the accounts cannot be in one directory, or nil.
func (d Directory) Check() error {
	owners := make(map[string]string)
	for _, u := range d {
		if u.UPN == "" {
			return fmt.Errorf("cba: account %.64q has no userPrincipalName", u.Name)
		}
		if len(u.CertificateUserIDs) > maxUserIDs {
			return fmt.Errorf("cba: %.64q has %d certificateUserIds, more than %d", u.UPN, len(u.CertificateUserIDs), maxUserIDs)
		}
		for _, id := range u.CertificateUserIDs {
			if len([]rune(id)) > maxUserIDLength {
				return fmt.Errorf("cba: %.64q has a value of certificateUserIds with more than %d characters", u.UPN, maxUserIDLength)
			}
			if owner, taken := owners[id]; taken {
				return fmt.Errorf("cba: %.64q and %.64q have the certificateUserIds %.64q", owner, u.UPN, id)
			}
			owners[id] = u.UPN
		}
		if same := d.matching(func(other *User) bool { return upn.Equal(other.UPN, u.UPN) }); len(same) > 1 {
			return fmt.Errorf("cba: two accounts have the userPrincipalName %.64q", u.UPN)
		}
	}
	return nil
}

func (d Directory) matching(f func(*User) bool) []*User {
	var users []*User
	for i := range d {
		if f(&d[i]) {
			users = append(users, &d[i])
		}
	}
	return users
}

// Find returns the account that a sign-in name selects: by userPrincipalName, and
// only if there is none, by onPremisesUserPrincipalName (the sign-in document of
// 2025). It returns nil unless there is exactly one.
func (d Directory) Find(name string) *User {
	users := d.matching(func(u *User) bool { return upn.Equal(u.UPN, name) })
	if len(users) == 0 {
		users = d.matching(func(u *User) bool { return u.OnPremisesUPN != "" && upn.Equal(u.OnPremisesUPN, name) })
	}
	if len(users) != 1 {
		return nil
	}
	return users[0]
}
