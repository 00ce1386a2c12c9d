package rules

// registryKey is where Windows keeps the policy, below HKEY_LOCAL_MACHINE.
const registryKey = `SOFTWARE\Policies\Microsoft\Windows\SmartCardCredentialProvider`
