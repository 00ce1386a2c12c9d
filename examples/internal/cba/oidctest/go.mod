module github.com/smartlogon/smartlogon/examples/internal/cba/oidctest

go 1.25.0

replace github.com/smartlogon/smartlogon => ../../../..

require (
	github.com/coreos/go-oidc/v3 v3.21.0
	github.com/smartlogon/smartlogon v0.0.0-00010101000000-000000000000
	github.com/stretchr/testify v1.12.1
	golang.org/x/oauth2 v0.36.0
)

require (
	github.com/go-jose/go-jose/v4 v4.1.9 // indirect
	go.yaml.in/yaml/v3 v3.0.6 // indirect
	golang.org/x/crypto v0.55.0 // indirect
	golang.org/x/sys v0.47.0 // indirect
)
