package gids_test

import (
	"fmt"
	"testing"

	"github.com/smartlogon/smartlogon/internal/softcard/gids"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestPutFile(t *testing.T) {
	app := gids.New(gids.Config{})
	require.NoError(t, app.PutFile("mscp", "msroots", []byte("any")))
	require.NoError(t, app.PutFile("", "cardid", []byte("other")))
	assert.Equal(t, "any", string(app.File("mscp", "msroots")))
	assert.Equal(t, "any", string(app.Object(0xA010, 0xDF24)))
	assert.Equal(t, "other", string(app.Object(0xA012, 0xDF20)))

	app.PutObject(0xA010, 0xDF24, nil) // the master file table still has the tag
	require.NoError(t, app.PutFile("mscp", "other", []byte("x")))
	assert.Equal(t, "x", string(app.Object(0xA010, 0xDF25)))
	for i := range 90 {
		require.NoError(t, app.Put(fmt.Sprintf("kxc%02X", i), nil, []byte{0x30, byte(i)}))
	}
	assert.NotNil(t, app.Object(0xA010, 0xDF7F))
	assert.Error(t, app.Put("kxc7E", nil, []byte{0x30}), "no free tag")
	assert.NoError(t, app.Put("kxc00", nil, []byte{0x31}))

	assert.Error(t, gids.New(gids.Config{Blank: true}).PutFile("mscp", "kxc00", nil))
	app.PutObject(0xB080, 0xDF30, []byte{1}) // replaces the key file
	assert.Equal(t, []byte{1}, app.Object(0xB080, 0xDF30))
	assert.Panics(t, func() { app.PutObject(0x3FFF, 0xDF20, nil) })
}
