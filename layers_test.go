package smartlogon_test

import (
	"os"
	"strings"
	"testing"

	"github.com/smartlogon/smartlogon/internal/deptest"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const (
	scard   = "github.com/ebfe/scard"
	pivGo   = "github.com/go-piv/piv-go/..."
	ssh     = "golang.org/x/crypto/ssh/..."
	gokrb5  = "github.com/jcmturner/gokrb5/v8/..."
	testify = "github.com/stretchr/testify/..."
	jose    = "github.com/go-jose/go-jose/v4/..."
	urfave  = "github.com/urfave/cli/v3/..."
)

// layers are the imports that the architecture forbids. Packages import only
// what stands below them: enumerate, then piv and internal/gids, then card.
var layers = []deptest.Rule{
	{
		Of:     []string{"./card/..."},
		Except: []string{"./card/cardtest"},
		Deny:   []string{"./piv", "./internal/cardapp", "./internal/gids", "./enumerate/...", "./upn/..."},
		Reason: "card is for any card and knows no card application",
	},
	{
		Of:     []string{"./card/driver"},
		Deny:   []string{"./..."},
		Reason: "a PC/SC backend is written against card/driver alone",
	},
	{
		Of:     []string{"./piv", "./internal/cardapp", "./internal/gids"},
		Deny:   []string{"./enumerate/...", "./upn/..."},
		Reason: "card applications know neither Windows' rules nor user names",
	},
	{
		Of:     []string{"./piv"},
		Deny:   []string{"./internal/gids"},
		Reason: "card applications do not know each other",
	},
	{
		Of:     []string{"./internal/gids"},
		Deny:   []string{"./piv"},
		Reason: "card applications do not know each other",
	},
	{
		Of:     []string{"./upn/...", "./enumerate/rules", "./enumerate/challenge"},
		Deny:   []string{"./card/...", "./piv", "./internal/cardapp", "./internal/gids", "./enumerate", scard, pivGo},
		Reason: "a server judges certificates and verifies answers without code for cards",
	},
	{
		Of:     []string{"./enumerate/pkinit"},
		Deny:   []string{"./card/...", "./piv", "./internal/cardapp", "./internal/gids", "./enumerate", "./enumerate/rules", "./enumerate/challenge", scard, pivGo},
		Reason: "sign-in protocols take a signer and a chain, so they work with keys in files, too",
	},
	{
		Of:     []string{"./..."},
		Except: []string{"./enumerate/pkinit", "./examples/kinit", "./examples/smartlogon", "./internal/faultmatrix", "./internal/interop", "./internal/softkdc"},
		Deny:   []string{"./enumerate/pkinit", gokrb5},
		Reason: "Kerberos serves only programs that ask for it",
	},
	{
		Of:     []string{"./internal/softkdc"},
		Deny:   []string{"./..."},
		Allow:  []string{"./internal/softkdc", "./internal/testkeys"},
		Reason: "the software KDC is written from the standards, so client and KDC cannot misread them alike",
	},
	{
		Of:     []string{"./enumerate/crl", "./enumerate/entra"},
		Deny:   []string{"./card/...", "./piv", "./internal/cardapp", "./internal/gids", "./enumerate", scard, pivGo},
		Reason: "keys in files sign in, too, and a server has no cards",
	},
	{
		Of:     []string{"./..."},
		Except: []string{"./examples/cba", "./examples/internal/..."},
		Deny:   []string{jose},
		Reason: "only a program that reads or signs tokens contains it",
	},
	{
		Of:     []string{"./..."},
		Except: []string{"./examples/smartlogon"},
		Deny:   []string{urfave},
		Reason: "only the program with many commands parses its arguments with it",
	},
	{
		Of:     []string{"./enumerate"},
		Deny:   []string{"./internal/ber"},
		Direct: true,
		Reason: "TLV belongs to card applications and certificates",
	},
	{
		Of:     []string{"./card/...", "./piv", "./upn/...", "./enumerate", "./enumerate/rules", "./enumerate/challenge"},
		Deny:   []string{"./enumerate/mtls", "./enumerate/sshagent", "./internal/keyring", "crypto/tls", ssh},
		Reason: "a program that only lists cards gets neither TLS nor SSH",
	},
	{
		Of:     []string{"./..."},
		Except: []string{"./card/pcsc"},
		Deny:   []string{scard},
		Direct: true,
		Tests:  true,
		Reason: "it needs PC/SC's C headers, which must not stop more than a main package",
	},
	{
		Of:     []string{"./..."},
		Except: []string{"./card/pcsc", "./enumerate/pivgo", "./examples/...", "./internal/interop"},
		Deny:   []string{"./card/pcsc", scard},
		Reason: "the backend is the choice of the program's main package",
	},
	{
		Of:     []string{"./..."},
		Except: []string{"./enumerate/pivgo", "./examples/yubikey", "./internal/interop"},
		Deny:   []string{pivGo},
		Direct: true,
		Tests:  true,
		Reason: "it needs PC/SC's C headers and serves only programs that use it already",
	},
	{
		Of:     []string{"./..."},
		Except: []string{"./internal/drivertest", "./internal/faultmatrix"},
		Deny:   []string{testify},
		Reason: "programs do not contain assertions",
	},
	{
		Of:     []string{"./..."},
		Except: []string{"./card/cardtest", "./examples/...", "./internal/drivertest", "./internal/faultmatrix", "./internal/interop", "./internal/pcsclite/server", "./internal/softcard/...", "./internal/softkdc", "./internal/toyapp", "./internal/vpcd"},
		Deny:   []string{"./card/cardtest", "./internal/softcard/...", "./internal/softkdc", "./internal/testkeys", "./internal/vectors"},
		Reason: "software cards and test keys do not belong in programs",
	},
	{
		Of:     []string{"./internal/softcard/iso", "./internal/softcard/piv", "./internal/softcard/gids"},
		Deny:   []string{"./..."},
		Allow:  []string{"./internal/ber", "./internal/softcard/...", "./internal/testkeys"},
		Reason: "software cards share only internal/ber with the client, so both cannot misread a standard alike",
	},
	{
		Of:     []string{"./internal/ber"},
		Deny:   []string{"./..."},
		Reason: "client and software cards share it, and through it nothing else",
	},
	{
		Of:     []string{"./examples/..."},
		Deny:   []string{"./internal/..."},
		Direct: true,
		Reason: "examples are copied, so they use public packages only",
	},
}

func loadModule(t *testing.T) *deptest.Module {
	t.Helper()
	module, err := deptest.Load(os.DirFS("."), "github.com/smartlogon/smartlogon")
	require.NoError(t, err)
	return module
}

func TestLayers(t *testing.T) {
	for _, violation := range loadModule(t).Check(layers...) {
		assert.Fail(t, violation)
	}
}

func TestLayersForbidImports(t *testing.T) {
	for _, rule := range layers {
		module := loadModule(t)
		for _, denied := range rule.Deny {
			pkg, imported := strings.TrimSuffix(rule.Of[0], "/..."), strings.TrimSuffix(denied, "/...")
			module.Import(pkg, imported)
			assert.Contains(t, module.Check(rule), pkg+" imports "+imported+": "+rule.Reason)
		}
	}
}
