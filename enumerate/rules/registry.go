package rules

// registryKey is the key of the policy below HKEY_LOCAL_MACHINE.
const registryKey = `SOFTWARE\Policies\Microsoft\Windows\SmartCardCredentialProvider`
