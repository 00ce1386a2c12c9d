package testkeys

import (
	"context"
	"crypto/des"
)

// Administrator returns a function that encrypts the challenge of a GIDS card under
// the administrator's 3DES key.
func Administrator(key string) func(context.Context, []byte) ([]byte, error) {
	return func(_ context.Context, challenge []byte) ([]byte, error) {
		admin, err := des.NewTripleDESCipher([]byte(key))
		if err != nil {
			return nil, err
		}
		response := make([]byte, des.BlockSize)
		admin.Encrypt(response, challenge)
		return response, nil
	}
}
