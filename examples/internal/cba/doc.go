// Package cba is a sign-in service with certificates, for examples and tests. It
// follows the browser flow of Entra ID's certificate-based authentication and is an
// OpenID Connect provider for its clients.
//
// The service has two hosts. The login host has the pages, the tokens and the keys.
// The certauth host asks for a TLS client certificate in the handshake, and does
// nothing else:
//
//	GET  login     /TENANT/oauth2/v2.0/authorize   asks for the user name
//	POST login     /TENANT/GetCredentialType       the same for programs, in JSON
//	POST certauth  /TENANT/certauth                reads the certificate
//	POST login     /TENANT/login                   judges it, redirects with a code
//	POST login     /TENANT/oauth2/v2.0/token       exchanges the code for tokens
//
// The user name selects the account; the certificate must satisfy one of the
// account's bindings ([Judge]). Nothing is kept between requests: state travels
// sealed through the browser ([Sealer]), so several instances with one seal key serve
// one login. Only tokens that may be used once are remembered ([Once]).
//
// The messages of MS-OAPXBC for joined machines are served by document; they are
// not proven against Entra ID.
package cba
