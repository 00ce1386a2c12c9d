//go:build !windows

package rules

// System is the policy of this machine: on Windows, the values of the registry
// key
//
//	HKLM\SOFTWARE\Policies\Microsoft\Windows\SmartCardCredentialProvider
//
// and the zero Policy if there is no such key. The error then names a value that
// is not documented or has the wrong type. On other systems it is always the zero
// Policy.
func System() (Policy, error) { return Policy{}, nil }
