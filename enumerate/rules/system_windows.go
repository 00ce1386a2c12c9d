package rules

import (
	"errors"
	"fmt"

	"golang.org/x/sys/windows/registry"
)

// System reads the policy of this machine. On Windows these are the values of the
// registry key
//
//	HKLM\SOFTWARE\Policies\Microsoft\Windows\SmartCardCredentialProvider
//
// Without the key it returns the zero Policy. The error names a value that is
// undocumented or has the wrong type, or says why the key cannot be read. On
// other systems it always returns the zero Policy.
func System() (Policy, error) {
	key, err := registry.OpenKey(registry.LOCAL_MACHINE, registryKey, registry.QUERY_VALUE|registry.WOW64_64KEY)
	if errors.Is(err, registry.ErrNotExist) {
		return Policy{}, nil
	}
	if err != nil {
		return Policy{}, fmt.Errorf(`rules: open registry key HKLM\%s: %w`, registryKey, err)
	}
	defer key.Close()
	names, err := key.ReadValueNames(0)
	if err != nil {
		return Policy{}, fmt.Errorf(`rules: list registry key HKLM\%s: %w`, registryKey, err)
	}
	var p Policy
	for _, name := range names {
		data, description, err := registryData(key, name)
		if err != nil {
			return Policy{}, fmt.Errorf("rules: read policy %s: %w", quoted(name), err)
		}
		if err := p.set(name, data, description); err != nil {
			return Policy{}, fmt.Errorf("rules: %w", err)
		}
	}
	return p, nil
}

func registryData(key registry.Key, name string) (data any, description string, err error) {
	_, kind, err := key.GetValue(name, nil)
	if err != nil {
		return nil, "", err
	}
	switch kind {
	case registry.DWORD:
		n, _, err := key.GetIntegerValue(name)
		if err != nil {
			return nil, "", err
		}
		data, description = onOff(n)
		return data, description, nil
	case registry.SZ:
		text, _, err := key.GetStringValue(name)
		return text, "a REG_SZ", err
	}
	return nil, fmt.Sprintf("registry data of type %d", kind), nil
}
