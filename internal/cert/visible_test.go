package cert_test

import (
	"testing"

	"github.com/smartlogon/smartlogon/internal/ber"
	"github.com/smartlogon/smartlogon/internal/cert"
	"github.com/smartlogon/smartlogon/internal/cert/certtest"
	"github.com/stretchr/testify/assert"
)

func TestVisible(t *testing.T) {
	for _, r := range "a ~é山\u0301\u0F0C\u2423\u2581\u303E\uFFFD😀\u00A0\u3000" {
		assert.True(t, cert.Visible(r), "%U", r)
	}
	for _, r := range "\x00\n\x7F\u0085\u00AD\u034F\u061C\u115F\u1160\u17B4\u180E\u200B\u202E\u2028\u2060\u2800\u303F\u3164\uE000\uFE0F\uFEFF\uFFA0\uFFFC\U0001107F\U00013441\U00016FE4\U0001D159\U0001D173\U000E0041\U000E0100\u0378" {
		assert.False(t, cert.Visible(r), "%U", r)
	}
}

func TestDisplayEscapesInvisibleCharacters(t *testing.T) {
	c := parse(t, certtest.Certificate{Subject: certtest.Attributes("2.5.4.3", ber.Append(nil, ber.UTF8String, []byte("a\u2800b\u3164c")))})
	assert.Equal(t, `CN=a\E2\A0\80b\E3\85\A4c`, cert.Display(c.Subject, false))
	assert.Equal(t, `CN=a\E2\A0\80b\E3\85\A4c`, cert.RFC2253(c.Subject))
}
