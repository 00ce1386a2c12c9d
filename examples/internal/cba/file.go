package cba

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/smartlogon/smartlogon/upn/mapping"
)

// maxFile is the size of the largest file that is read.
const maxFile = 16 << 20

// A Dir is the folder with the settings, the accounts and the keys of a service.
type Dir string

func (d Dir) path(name string) string { return filepath.Join(string(d), name) }

// read reads a file of limited size.
func (d Dir) read(name string) ([]byte, error) {
	info, err := os.Stat(d.path(name))
	if err != nil {
		return nil, err
	}
	if info.Size() > maxFile {
		return nil, fmt.Errorf("%s has more than %d bytes", d.path(name), maxFile)
	}
	return os.ReadFile(d.path(name))
}

// readOrMake reads a file, and makes it first if it is missing. Only the user can
// read a new file.
func (d Dir) readOrMake(name string, content func() ([]byte, error)) ([]byte, error) {
	b, err := d.read(name)
	if !errors.Is(err, fs.ErrNotExist) {
		return b, err
	}
	made, err := content()
	if err != nil {
		return nil, err
	}
	file, err := os.OpenFile(d.path(name), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if errors.Is(err, fs.ErrExist) { // another instance was faster
		return d.read(name)
	}
	if err != nil {
		return nil, err
	}
	_, err = file.Write(made)
	if closed := file.Close(); err == nil {
		err = closed
	}
	return made, err
}

// An issuer is a CA of the folder.
type issuer struct {
	Certificate *x509.Certificate
	key         *ecdsa.PrivateKey
}

func encode(blocks ...*pem.Block) []byte {
	var b bytes.Buffer
	for _, block := range blocks {
		_ = pem.Encode(&b, block) // a Buffer has no errors
	}
	return b.Bytes()
}

// keyAndCertificate encodes a key and its certificate as PEM.
func keyAndCertificate(key any, der []byte) ([]byte, error) {
	b, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	return encode(&pem.Block{Type: "CERTIFICATE", Bytes: der}, &pem.Block{Type: "PRIVATE KEY", Bytes: b}), nil
}

// validity of what the folder's CAs issue.
func validity(template *x509.Certificate) error {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	template.SerialNumber = serial
	template.NotBefore, template.NotAfter = time.Now().Add(-time.Hour), time.Now().AddDate(1, 0, 0)
	return err
}

// authority reads or makes a CA. Its file has key and certificate.
func (d Dir) authority(file, name string) (*issuer, error) {
	text, err := d.readOrMake(file, func() ([]byte, error) {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			return nil, err
		}
		template := &x509.Certificate{Subject: pkix.Name{CommonName: name}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign}
		if err := validity(template); err != nil {
			return nil, err
		}
		der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
		if err != nil {
			return nil, err
		}
		return keyAndCertificate(key, der)
	})
	if err != nil {
		return nil, err
	}
	pair, err := tls.X509KeyPair(text, text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", d.path(file), err)
	}
	key, ok := pair.PrivateKey.(*ecdsa.PrivateKey)
	if !ok {
		return nil, fmt.Errorf("%s: key is a %T", d.path(file), pair.PrivateKey)
	}
	return &issuer{pair.Leaf, key}, nil
}

// issue reads or makes a certificate of a CA with a key of its own.
func (d Dir) issue(by *issuer, file string, template *x509.Certificate, newKey func() (any, any, error)) (tls.Certificate, error) {
	text, err := d.readOrMake(file, func() ([]byte, error) {
		key, public, err := newKey()
		if err != nil {
			return nil, err
		}
		if err := validity(template); err != nil {
			return nil, err
		}
		der, err := x509.CreateCertificate(rand.Reader, template, by.Certificate, public, by.key)
		if err != nil {
			return nil, err
		}
		return keyAndCertificate(key, der)
	})
	if err != nil {
		return tls.Certificate{}, err
	}
	pair, err := tls.X509KeyPair(text, text)
	if err != nil {
		return pair, fmt.Errorf("%s: %w", d.path(file), err)
	}
	return pair, nil
}

func newP256() (any, any, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	return key, key.Public(), nil
}

func newRSA() (any, any, error) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return nil, nil, err
	}
	return key, key.Public(), nil
}

// policyFile is the form of policy.json.
type policyFile struct {
	RequireCRL  bool            `json:"requireCRL"`
	IssuerHints bool            `json:"issuerHints"`
	Groups      []string        `json:"groups,omitempty"`
	Authorities []authorityFile `json:"authorities"`
	Bindings    []bindingFile   `json:"usernameBindings"`
	Strength    strengthFile    `json:"authenticationBinding"`
	Clients     []clientFile    `json:"clients"`
	Devices     []deviceFile    `json:"devices,omitempty"`
}

type authorityFile struct {
	File   string `json:"file"` // PEM
	CRL    string `json:"crl,omitempty"`
	Delta  string `json:"deltaCRL,omitempty"`
	Exempt bool   `json:"exemptFromCRL,omitempty"`
	Hint   bool   `json:"issuerHint"`
	Group  string `json:"scopedToGroup,omitempty"`
}

type bindingFile struct {
	Field     string `json:"x509CertificateField"`
	Attribute string `json:"userProperty"`
	Priority  int    `json:"priority"`
}

type strengthFile struct {
	Default string             `json:"default"`
	High    bool               `json:"requireHighAffinity"`
	Rules   []strengthRuleFile `json:"rules"`
}

type strengthRuleFile struct {
	Issuer   string `json:"issuer,omitempty"`
	Policy   string `json:"policyOID,omitempty"`
	Strength string `json:"strength"`
	High     bool   `json:"requireHighAffinity,omitempty"`
}

type clientFile struct {
	ID        string   `json:"id"`
	Redirects []string `json:"redirects"`
	Require   Require  `json:"authenticationStrength"`
}

type deviceFile struct {
	ID           string `json:"id"`
	Certificate  string `json:"certificate"`  // PEM file
	TransportKey string `json:"transportKey"` // PEM file, a public key
}

// fields are the names of certificate fields in Microsoft Graph and in Entra ID's
// portal.
var fields = map[string]mapping.Kind{
	"PrincipalName": mapping.PrincipalName, "RFC822Name": mapping.RFC822, "IssuerAndSubject": mapping.IssuerSubject, "Subject": mapping.Subject,
	"SubjectKeyIdentifier": mapping.SKI, "SHA1PublicKey": mapping.SHA1PublicKey, "IssuerAndSerialNumber": mapping.IssuerSerial,
}

var attributes = map[string]mapping.Attribute{
	"userPrincipalName": mapping.UserPrincipalName, "onPremisesUserPrincipalName": mapping.OnPremisesUserPrincipalName, "certificateUserIds": mapping.CertificateUserIDs,
}

func strengthOf(text string) (mapping.Strength, error) {
	switch text {
	case mapping.SingleFactor.String():
		return mapping.SingleFactor, nil
	case mapping.MultiFactor.String():
		return mapping.MultiFactor, nil
	}
	return 0, fmt.Errorf("strength %.64q is neither single-factor nor multi-factor", text)
}

// decode decodes JSON and refuses names that it does not know: a typing error must
// not leave a rule out.
func decode(text []byte, to any) error {
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(to); err != nil {
		return err
	}
	if d.More() {
		return errors.New("text after the value")
	}
	return nil
}

// ParseDirectory parses users.json.
func ParseDirectory(text []byte) (Directory, error) {
	var users Directory
	if err := decode(text, &users); err != nil {
		return nil, fmt.Errorf("cba: accounts: %w", err)
	}
	return users, users.Check()
}

// ParsePolicy parses policy.json. open reads the files that it names.
func ParsePolicy(text []byte, open func(name string) ([]byte, error)) (*Policy, error) {
	p, err := parsePolicy(text, open)
	if err != nil {
		return nil, fmt.Errorf("cba: policy: %w", err)
	}
	return p, nil
}

func parsePolicy(text []byte, open func(name string) ([]byte, error)) (*Policy, error) {
	var f policyFile
	if err := decode(text, &f); err != nil {
		return nil, err
	}
	p := &Policy{RequireCRL: f.RequireCRL, IssuerHints: f.IssuerHints, Groups: f.Groups}
	for _, a := range f.Authorities {
		c, err := certificateIn(open, a.File)
		if err != nil {
			return nil, err
		}
		p.Authorities = append(p.Authorities, Authority{CA: c, CRL: a.CRL, Delta: a.Delta, Exempt: a.Exempt, Hint: a.Hint, Group: a.Group})
	}
	for _, b := range f.Bindings {
		field, known := fields[b.Field]
		attribute, knownAttribute := attributes[b.Attribute]
		if !known || !knownAttribute {
			return nil, fmt.Errorf("binding of %.64q to %.64q", b.Field, b.Attribute)
		}
		p.Bindings = append(p.Bindings, mapping.Binding{Field: field, Attribute: attribute, Priority: b.Priority})
	}
	var err error
	p.Strength.High = f.Strength.High
	if p.Strength.Default, err = strengthOf(f.Strength.Default); err != nil {
		return nil, err
	}
	for _, r := range f.Strength.Rules {
		s, err := strengthOf(r.Strength)
		if err != nil {
			return nil, err
		}
		if r.Issuer == "" && r.Policy == "" {
			return nil, errors.New("rule has neither issuer nor policyOID")
		}
		p.Strength.Rules = append(p.Strength.Rules, mapping.StrengthRule{Issuer: r.Issuer, Policy: r.Policy, Strength: s, High: r.High})
	}
	for _, c := range f.Clients {
		p.Clients = append(p.Clients, Client(c))
	}
	for _, d := range f.Devices {
		device, err := d.load(open)
		if err != nil {
			return nil, err
		}
		p.Devices = append(p.Devices, device)
	}
	return p, nil
}

func certificateIn(open func(string) ([]byte, error), name string) (*x509.Certificate, error) {
	text, err := open(name)
	if err != nil {
		return nil, err
	}
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		if block.Type == "CERTIFICATE" {
			return x509.ParseCertificate(block.Bytes)
		}
	}
	return nil, fmt.Errorf("%.200q has no certificate", name)
}

func (d deviceFile) load(open func(string) ([]byte, error)) (Device, error) {
	c, err := certificateIn(open, d.Certificate)
	if err != nil {
		return Device{}, err
	}
	text, err := open(d.TransportKey)
	if err != nil {
		return Device{}, err
	}
	block, _ := pem.Decode(text)
	if block == nil {
		return Device{}, fmt.Errorf("%.200q has no key", d.TransportKey)
	}
	public, err := x509.ParsePKIXPublicKey(block.Bytes)
	if err != nil {
		return Device{}, err
	}
	key, ok := public.(*rsa.PublicKey)
	if !ok {
		return Device{}, fmt.Errorf("transport key is a %T", public)
	}
	return Device{ID: d.ID, Certificate: c, TransportKey: key}, nil
}

// revoked reads the serial numbers in revoked.txt, in hexadecimal, one in each line.
func (d Dir) revoked() ([]*big.Int, error) {
	text, err := d.readOrMake("revoked.txt", func() ([]byte, error) {
		return []byte("# serial numbers of revoked certificates, in hexadecimal, one in each line\n"), nil
	})
	if err != nil {
		return nil, err
	}
	var serials []*big.Int
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		n, ok := new(big.Int).SetString(line, 16)
		if !ok {
			return nil, fmt.Errorf("%s: %.64q is no serial number", d.path("revoked.txt"), line)
		}
		serials = append(serials, n)
	}
	return serials, nil
}
